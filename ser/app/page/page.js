// The page: it sends the bytes of a recording to /predict and shows the answer. Nothing goes anywhere else.
import {Recorder} from "/page/recorder.js";

const byId = (id) => document.getElementById(id);
const seconds = (value) => `${Math.floor(value / 60)}:${(value % 60).toFixed(1).padStart(4, "0")}`;
let recording = null; // the Blob that was answered last
const MOST_KNOWN = 20; // recordings that a profile is made of, the last ones
let known = []; // recordings of the voice, while the page is open
let profile = null; // what the server made of them
let lesson = 0; // so that an answer that comes late changes nothing
let served = 0; // clips of the profile that the server was started with
let unknown = "No voice known: a recording is measured against itself."; // said without a profile

function element(tag, text, attributes = {}) {
  const made = Object.assign(document.createElement(tag), attributes);
  if (text) made.textContent = text;
  return made;
}

function bars(probabilities) {
  return Object.entries(probabilities).sort((a, b) => b[1] - a[1]).flatMap(([emotion, value]) => {
    const track = element("div", "", {className: "track"});
    const share = element("div", "", {className: "share"});
    share.style.width = `${100 * value}%`;
    track.append(share);
    return [element("span", emotion), track, element("span", value.toFixed(2), {className: "value"})];
  });
}

function say(error) {
  byId("error").textContent = error;
  byId("error").hidden = !error;
}

function forget(headline) {
  byId("headline").textContent = headline;
  byId("certainty").textContent = "";
  byId("fusion").replaceChildren();
  for (const id of ["networks", "course", "why", "picture", "download"]) byId(id).hidden = true;
  say("");
}

function show(answer) {
  byId("headline").textContent = answer.emotion;
  byId("certainty").textContent = answer.sure
    ? `Probability ${answer.probability.toFixed(2)}; next: ${answer.second} (${answer.second_probability.toFixed(2)}).`
    : `Not sure. The best has a probability of ${answer.probability.toFixed(2)}, ` +
      `the next, ${answer.second}, ${answer.second_probability.toFixed(2)}.` +
      answer.doubts.map((doubt) => ` ${doubt[0].toUpperCase()}${doubt.slice(1)}.`).join("") +
      (profile || served ? "" : " It helps when the page knows your voice, see below.");
  byId("fusion").replaceChildren(...bars(answer.probabilities));
  byId("each").replaceChildren(...Object.entries(answer.networks).flatMap(([name, probabilities]) => {
    const group = element("div", "", {className: "bars"});
    group.append(...bars(probabilities));
    return [element("h3", name.toUpperCase()), group];
  }));
  byId("networks").hidden = byId("why").hidden = false;
  byId("course").hidden = !answer.timeline;
  byId("timeline").replaceChildren(...(answer.timeline ?? []).map(stretch));
}

function stretch(window) {
  const best = window.emotion ? window.probabilities[window.emotion] : 0;
  const button = element("button", "", {type: "button"});
  const track = element("span", "", {className: "bars"});
  track.style.gridTemplateColumns = "1fr";
  if (window.emotion) track.append(...bars({[window.emotion]: best}).slice(1, 2));
  button.append(element("span", `${seconds(window.start_seconds)} – ${seconds(window.end_seconds)}`),
    element("span", window.emotion ?? window.reason), track,
    element("span", window.emotion ? best.toFixed(2) : "", {className: "value"}));
  button.dataset.start = window.start_seconds;
  button.dataset.end = window.end_seconds;
  button.addEventListener("click", () => { byId("player").currentTime = window.start_seconds; byId("player").play(); });
  const item = element("li", "");
  item.append(button);
  return item;
}

function form(blobs, path) {
  const parts = new FormData();
  for (const blob of blobs) parts.append("file", blob, blob.name ?? "recording");
  if (profile && !path.startsWith("/calibrate")) parts.append("profile", new Blob([JSON.stringify(profile)]), "profile");
  return parts;
}

async function send(path, blobs) {
  let response;
  try {
    response = await fetch(path, {method: "POST", body: form(blobs, path)});
  } catch {
    throw new Error("The server does not answer. Is 'ser app' still running?");
  }
  if (!response.ok) {
    const failure = await response.json().catch(() => null);
    throw new Error(failure ? `No answer: ${failure.error.message}.` : `No answer (status ${response.status}).`);
  }
  return response;
}

async function ask(blob) {
  recording = blob;
  const player = byId("player");
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  player.hidden = false;
  forget("Listening …");
  byId("answer").setAttribute("aria-busy", "true");
  try {
    show(await (await send("/predict", [blob])).json());
  } catch (error) {
    forget("No answer");
    say(error.message);
  }
  byId("answer").setAttribute("aria-busy", "false");
}

async function learn(blobs) {
  const mine = ++lesson;
  known = [...known, ...blobs].slice(-MOST_KNOWN);
  byId("heard").textContent = "Listening …";
  try {
    const found = await (await send(`/calibrate?neutral=${byId("neutral").checked}`, known)).json();
    if (mine !== lesson) return;
    profile = found.profile;
    const left = found.left_out.length ? `; left out: ${found.left_out.map((one) => one.error.message).join("; ")}` : "";
    byId("heard").textContent = `Your voice is known from ${found.clips} clip${found.clips > 1 ? "s" : ""}${left}.`;
    byId("unlearn").hidden = false;
    if (recording) ask(recording);
  } catch (error) {
    if (mine !== lesson) return;
    known = known.slice(0, -blobs.length);
    byId("heard").textContent = error.message;
  }
}

function unlearn() {
  lesson += 1;
  [known, profile] = [[], null];
  byId("heard").textContent = unknown;
  byId("unlearn").hidden = true;
  if (recording) ask(recording);
}

async function explain() {
  byId("explain").disabled = true;
  try {
    const picture = URL.createObjectURL(await (await send("/explain", [recording])).blob());
    byId("picture").src = byId("download").href = picture;
    byId("picture").hidden = byId("download").hidden = false;
  } catch (error) {
    say(error.message);
  }
  byId("explain").disabled = false;
}

async function describe() {
  const info = await (await fetch("/info")).json();
  byId("card").textContent = info.card;
  byId("limits").textContent = `up to ${info.limits.bytes / 1e6} MB and ${info.limits.seconds / 60} minutes`;
  served = info.known_clips;
  if (served) {
    unknown = `The server knows a voice from ${served} clip${served > 1 ? "s" : ""}; your own recordings take its place.`;
    byId("heard").textContent = unknown;
  }
  if (info.caution) {
    byId("caution").textContent = `These networks were ${info.caution}.`;
    byId("caution").hidden = false;
  }
}

const recorder = new Recorder((elapsed) => { byId("clock").textContent = seconds(elapsed); });

async function toggleRecording(button, whenDone, done) {
  const name = button.textContent;
  if (recorder.running) {
    if (!button.dataset.name) return; // the other button records
    button.textContent = button.dataset.name;
    delete button.dataset.name;
    byId("clock").textContent = "";
    return done(recorder.stop());
  }
  try {
    await recorder.start();
    button.dataset.name = name;
    button.textContent = whenDone;
    say("");
  } catch (error) {
    say(`The microphone cannot be used: ${error.message}.`);
  }
}

byId("file").addEventListener("change", (event) => { if (event.target.files[0]) ask(event.target.files[0]); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  byId("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
  });
}
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => ask(await (await fetch(`/examples/${button.dataset.example}.wav`)).blob()));
}
byId("record").addEventListener("click", (event) => toggleRecording(event.target, "Stop and answer", ask));
byId("teach").addEventListener("click", (event) => toggleRecording(event.target, "Stop", (blob) => learn([blob])));
byId("known").addEventListener("change", (event) => { if (event.target.files.length) learn([...event.target.files]); });
byId("unlearn").addEventListener("click", unlearn);
byId("explain").addEventListener("click", explain);
byId("player").addEventListener("timeupdate", () => {
  const now = byId("player").currentTime;
  for (const button of document.querySelectorAll("#timeline button")) {
    button.classList.toggle("now", button.dataset.start <= now && now < button.dataset.end);
  }
});
describe();
