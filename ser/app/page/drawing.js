// An answer as words, bars and a timeline.

export const byId = (id) => document.getElementById(id);

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

export function element(tag, text, attributes = {}) {
  const made = Object.assign(document.createElement(tag), attributes);
  if (text) made.textContent = text;
  return made;
}

export function bars(probabilities) {
  return Object.entries(probabilities).sort((a, b) => b[1] - a[1]).flatMap(([emotion, value]) => {
    const track = element("div", "", {className: "track"});
    const share = element("div", "", {className: `share ${colour(emotion)}`});
    share.style.width = `${100 * value}%`;
    track.append(share);
    return [element("span", emotion), track, element("span", value.toFixed(2), {className: "value"})];
  });
}

// Each emotion keeps its colour while the page is open; there are eight, as people tell no more apart.
const colours = new Map();
export function colour(emotion) {
  if (!colours.has(emotion)) colours.set(emotion, `colour${colours.size % 8}`);
  return colours.get(emotion);
}

export function certainty(answer, known) {
  const next = `${answer.second} (${answer.second_probability.toFixed(2)})`;
  if (answer.sure) return `Probability ${answer.probability.toFixed(2)}; next: ${next}.`;
  const doubts = answer.doubts.map((doubt) => ` ${doubt[0].toUpperCase()}${doubt.slice(1)}.`).join("");
  const advice = known ? "" : " It helps when the page knows your voice, see below.";
  const word = answer.certainty[0].toUpperCase() + answer.certainty.slice(1);
  return `${word}. The best has a probability of ${answer.probability.toFixed(2)}; next: ${next}.${doubts}${advice}`;
}

// A column for each stretch of a recording: as wide as it is long, as high as its answer is probable.
export function column(stretch, play) {
  const best = stretch.emotion ? stretch.probabilities[stretch.emotion] : 0;
  const said = stretch.emotion ? `${stretch.emotion} ${best.toFixed(2)}` : stretch.reason;
  const title = `${clock(stretch.start_seconds)} to ${clock(stretch.end_seconds)}: ${said}`;
  const button = element("button", "", {type: "button", title});
  button.setAttribute("aria-label", title);
  button.style.flexGrow = stretch.end_seconds - stretch.start_seconds;
  button.dataset.start = stretch.start_seconds;
  button.dataset.end = stretch.end_seconds;
  const bar = element("span", "", {className: stretch.emotion ? `share ${colour(stretch.emotion)}` : "silent"});
  bar.style.height = `${Math.max(4, 100 * best)}%`;
  button.append(bar);
  if (play) button.addEventListener("click", () => play(stretch.start_seconds));
  return button;
}

export function legend(emotions) {
  return [...emotions].sort().map((emotion) => {
    const item = element("li", emotion);
    item.prepend(element("span", "", {className: `share ${colour(emotion)}`}));
    return item;
  });
}
