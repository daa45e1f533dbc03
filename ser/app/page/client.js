// What the page asks the server: recordings go as bytes, and nothing goes anywhere else.

export class Voice {
  // What is known of the speaker: a profile for each bundle, made from the recordings of this session.
  constructor() {
    this.recordings = [];
    this.profiles = new Map();
  }

  get known() {
    return this.profiles.size > 0;
  }
}

export async function describe() {
  return (await ask("/info")).json();
}

export async function predict(recording, voice, bundle = 1) {
  return (await ask(`/predict?bundle=${bundle}`, form([recording], voice.profiles.get(bundle)))).json();
}

export async function explain(recording, voice) {
  return (await ask("/explain", form([recording], voice.profiles.get(1)))).blob();
}

export async function calibrate(recordings, bundle) {
  return (await ask(`/calibrate?bundle=${bundle}`, form(recordings))).json();
}

export async function example(name) {
  return (await ask(`/examples/${name}.wav`)).blob();
}

function form(recordings, profile) {
  const parts = new FormData();
  for (const recording of recordings) parts.append("file", recording, recording.name ?? "recording");
  if (profile) parts.append("profile", new Blob([JSON.stringify(profile)]), "profile");
  return parts;
}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, body ? {method: "POST", body} : {});
  } catch {
    throw new Error("the server does not answer.");
  }
  if (!response.ok) {
    const failure = await response.json().catch(() => null);
    throw new Error(failure?.error ? `${failure.error.message}.` : `status ${response.status}.`);
  }
  return response;
}
