// The page: what its buttons do. It asks this server only, see client.js.
import {answerAll} from "/page/batch.js";
import {calibrate, describe, example, explain, predict, Voice} from "/page/client.js";
import {bars, byId, certainty, clock, colour, column, element, legend} from "/page/drawing.js";
import {Live} from "/page/live.js";
import {Recorder} from "/page/recorder.js";

const MOST_KNOWN = 20; // recordings that a profile is made of, the last ones
const voice = new Voice();
const recorder = new Recorder((elapsed) => {
  byId("clock").textContent = clock(elapsed);
  const near = elapsed > info.limits.seconds - 5 || recorder.bytes > info.limits.bytes - 1e6;
  if (near && stopRecording) stopRecording(); // before the limit, so that it is answered
});
const live = new Live(recorder, voice, showLive);
let recording = null; // the Blob that was answered last
let question = 0; // so that an answer that comes late changes nothing
let lesson = 0;
let stopRecording = null; // while a button records
let info = {bundles: [], known_clips: 0, emotions: [], limits: {}, suffixes: []};
let unknown = byId("heard").textContent; // said without a profile

function say(error) {
  byId("error").textContent = error;
  byId("error").hidden = !error;
}

function forget(headline) {
  byId("headline").textContent = headline;
  byId("certainty").textContent = "";
  for (const id of ["fusion", "timeline", "legend"]) byId(id).replaceChildren();
  for (const id of ["other", "networks", "course", "why", "picture", "download"]) byId(id).hidden = true;
  say("");
}

function show(answer) {
  byId("headline").textContent = answer.emotion;
  byId("certainty").textContent = certainty(answer, voice.known || info.known_clips > 0);
  byId("fusion").replaceChildren(...bars(answer.probabilities));
  byId("each").replaceChildren(...Object.entries(answer.networks).flatMap(([name, probabilities]) => {
    const group = element("div", "", {className: "bars"});
    group.append(...bars(probabilities));
    return [element("h3", name.toUpperCase()), group];
  }));
  byId("networks").hidden = byId("why").hidden = false;
  showCourse(answer.timeline ?? []);
}

function showOther(answer) {
  byId("other-title").textContent = `${info.bundles[1]} says ${answer.emotion}`;
  byId("other-certainty").textContent = certainty(answer, true);
  byId("other-fusion").replaceChildren(...bars(answer.probabilities));
  byId("other").hidden = false;
}

function showCourse(stretches) {
  byId("course").hidden = !stretches.length;
  if (!stretches.length) return;
  byId("timeline").replaceChildren(...stretches.map((stretch) => column(stretch, play)));
  byId("end").textContent = clock(stretches.at(-1).end_seconds);
  byId("legend").replaceChildren(...legend(new Set(stretches.map((one) => one.emotion).filter(Boolean))));
  byId("course-help").textContent = "Choose a stretch to hear it; its height is the probability.";
}

function play(seconds) {
  byId("player").currentTime = seconds;
  byId("player").play();
}

function showLive(stretch, answer, behind) {
  const said = new Set([...byId("legend").children].map((item) => item.textContent));
  if (answer) {
    byId("headline").textContent = answer.emotion;
    byId("certainty").textContent = certainty(answer, voice.known || info.known_clips > 0);
    byId("fusion").replaceChildren(...bars(answer.probabilities));
    byId("legend").replaceChildren(...legend(said.add(answer.emotion)));
  } else {
    byId("certainty").textContent = stretch.reason;
  }
  byId("course").hidden = false;
  byId("timeline").append(column(stretch));
  byId("end").textContent = clock(stretch.end_seconds);
  byId("course-help").textContent = `The last three seconds, twice a second; ${behind.toFixed(2)} s of delay.`;
}

async function ask(blob) {
  const mine = ++question;
  recording = blob;
  const player = byId("player");
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  player.hidden = false;
  forget("Listening …");
  byId("answer").setAttribute("aria-busy", "true");
  try {
    if (info.limits.bytes && blob.size > info.limits.bytes) throw new Error(`over ${info.limits.bytes / 1e6} MB.`);
    const answer = await predict(blob, voice);
    if (mine !== question) return;
    show(answer);
    if (info.bundles.length > 1) compare(blob, mine);
  } catch (error) {
    if (mine !== question) return;
    forget("No answer");
    say(`No answer: ${error.message}`);
  }
  byId("answer").setAttribute("aria-busy", "false");
}

async function compare(blob, mine) {
  try {
    const answer = await predict(blob, voice, 2);
    if (mine === question) showOther(answer);
  } catch (error) {
    if (mine === question) say(`${info.bundles[1]} gives no answer: ${error.message}`);
  }
}

function choose(files) {
  if (live.running) return say("Stop the live answers first.");
  if (files.length > 1) return answerAll(files, voice, info);
  if (files.length) return ask(files[0]);
}

// Of a folder the browser gives every file; only recordings leave it, as with 'ser predict FOLDER'.
function chooseFolder(files) {
  const recordings = files.filter(({webkitRelativePath: path, name}) =>
    !path.split("/").some((part) => part.startsWith("."))
    && info.suffixes.some((suffix) => name.toLowerCase().endsWith(suffix)));
  say(files.length && !recordings.length ? "The folder holds no recording." : "");
  return choose(recordings);
}

async function learn(blobs) {
  if (live.running) return say("Stop the live answers first.");
  const mine = ++lesson, before = voice.recordings;
  voice.recordings = [...before, ...blobs].slice(-MOST_KNOWN);
  byId("heard").textContent = "Listening …";
  try {
    const bytes = voice.recordings.reduce((sum, {size}) => sum + size, 0);
    if (bytes > info.limits.bytes) throw new Error(`over ${info.limits.bytes / 1e6} MB together.`);
    const found = [];
    for (const bundle of info.bundles.keys()) {
      found.push(await calibrate(voice.recordings, bundle + 1));
    }
    if (mine !== lesson) return;
    found.forEach(({profile}, bundle) => voice.profiles.set(bundle + 1, profile));
    const {clips, left_out: left, warnings} = found[0];
    const lost = left.length ? `; left out: ${left.map((one) => one.error.message).join("; ")}` : "";
    byId("heard").textContent = `Your voice is known from ${clips} clip${clips > 1 ? "s" : ""}${lost}.${warnings.map((one) => ` It may not help: ${one}.`).join("")}`;
    byId("unlearn").hidden = false;
    if (recording) ask(recording);
  } catch (error) {
    if (mine !== lesson) return;
    voice.recordings = before;
    byId("heard").textContent = `Not learnt: ${error.message}`;
  }
}

function learnChosen(files) {
  if (files.length) return learn(files);
}

function unlearn() {
  if (live.running) return say("Stop the live answers first.");
  lesson += 1;
  voice.recordings = [];
  voice.profiles.clear();
  byId("heard").textContent = unknown;
  byId("unlearn").hidden = true;
  if (recording) ask(recording);
}

async function draw() {
  const mine = question;
  byId("explain").disabled = true;
  try {
    const picture = URL.createObjectURL(await explain(recording, voice));
    if (mine !== question) return;
    byId("picture").src = byId("download").href = picture;
    byId("picture").hidden = byId("download").hidden = false;
  } catch (error) {
    if (mine === question) say(`No picture: ${error.message}`);
  } finally {
    byId("explain").disabled = false;
  }
}

// A button that records until it is pressed again; the others wait.
function recordWith(id, whenRunning, {begun = () => {}, done}) {
  const button = byId(id), name = button.textContent;
  button.addEventListener("click", async () => {
    if (recorder.running) {
      if (button.textContent === whenRunning) stopRecording(); // else another button records
      return;
    }
    try {
      if (!await recorder.start()) return; // another start is under way
      stopRecording = () => {
        stopRecording = null;
        button.textContent = name;
        byId("clock").textContent = "";
        done(recorder.stop());
      };
      button.textContent = whenRunning;
      say("");
      begun();
    } catch (error) {
      say(`The microphone cannot be used: ${error.message}.`);
    }
  });
}

recordWith("record", "Stop and answer", {done: ask});
recordWith("teach", "Stop", {done: (blob) => learn([blob])});
recordWith("live", "Stop", {
  // Twice a second is more than anybody wants to have read aloud.
  begun: () => { question += 1; forget("Listening …"); byId("answer").setAttribute("aria-live", "off"); live.start(); },
  done: (blob) => { live.stop(); byId("answer").setAttribute("aria-live", "polite"); ask(blob); },
});
for (const [id, take] of [["file", choose], ["folder", chooseFolder], ["known", learnChosen]]) {
  byId(id).addEventListener("click", (event) => { event.target.value = ""; }); // so that the same file can be chosen again
  byId(id).addEventListener("change", (event) => take([...event.target.files]));
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  byId("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") choose([...event.dataTransfer.files]);
  });
}
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => choose([await example(button.dataset.example)]));
}
byId("unlearn").addEventListener("click", unlearn);
byId("explain").addEventListener("click", draw);
byId("player").addEventListener("timeupdate", () => {
  const now = byId("player").currentTime;
  for (const button of byId("timeline").children) {
    button.classList.toggle("now", button.dataset.start <= now && now < button.dataset.end);
  }
});

info = await describe();
info.emotions.forEach(colour); // the same colours at every visit
byId("card").textContent = info.card;
const corpus = info.about.corpus.name;
byId("trained").textContent = `Trained on ${corpus.startsWith("CREMA-D") ? "acted English speech (CREMA-D)" : corpus}.`;
byId("where").textContent = info.public
  ? "The recording is sent to this server, which answers and keeps nothing."
  : "The recording stays on this machine.";
byId("kept").textContent = `the server ${info.public ? "" : "on this machine "}turns them into sums for a profile, and keeps nothing.`;
byId("limits").textContent = `each up to ${info.limits.bytes / 1e6} MB and ${info.limits.seconds / 60} minutes`;
if (info.known_clips) {
  unknown = `The server knows a voice from ${info.known_clips} clips; your own recordings take its place.`;
  byId("heard").textContent = unknown;
}
if (info.caution) {
  byId("caution").textContent = info.caution;
  byId("caution").hidden = false;
}
