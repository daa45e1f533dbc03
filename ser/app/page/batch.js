// Several recordings at once: a row for each, and the table as CSV or JSON.
import {predict} from "/page/client.js";
import {byId, element} from "/page/drawing.js";

const AT_ONCE = 2;
let newest = 0; // so that an earlier batch writes into no row of a later one

export async function answerAll(files, voice, {emotions, limits}) {
  const rows = files.map((file) => ({file: file.webkitRelativePath || file.name}));
  const mine = ++newest, lines = draw(rows);
  const waiting = rows.keys();
  const work = async () => {
    for (const index of waiting) {
      if (mine !== newest) return;
      try {
        if (files[index].size > limits.bytes) throw new Error(`over ${limits.bytes / 1e6} MB.`);
        const answer = await predict(files[index], voice);
        Object.assign(rows[index], {
          emotion: answer.emotion, probability: answer.probability, sure: answer.sure, certainty: answer.certainty,
          doubts: answer.doubts.join("; "), duration_seconds: answer.duration_seconds, ...answer.probabilities,
        });
      } catch (error) {
        rows[index].error = error.message;
      }
      drawRow(rows[index], lines[index]);
    }
  };
  await Promise.all(Array.from({length: AT_ONCE}, work));
  if (mine !== newest) return;
  const named = ["file", "emotion", "probability", "sure", "certainty", "doubts", "duration_seconds", ...emotions, "error"];
  offer("csv", [named, ...rows.map((row) => named.map((name) => row[name] ?? ""))].map(line).join(""), "text/csv");
  offer("json", `${JSON.stringify(rows, null, 1)}\n`, "application/json");
}

// A cell that a spreadsheet would take for a formula begins with an apostrophe.
function line(cells) {
  const quoted = cells.map((cell) => {
    const text = typeof cell === "string" && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(",")}\r\n`;
}

function draw(rows) {
  byId("batch").hidden = false;
  for (const kind of ["csv", "json"]) byId(`batch-${kind}`).hidden = true;
  const lines = rows.map(({file}) => {
    const row = element("tr", "");
    row.append(element("th", file, {scope: "row"}), element("td", "…"), element("td", ""), element("td", ""));
    return row;
  });
  byId("rows").replaceChildren(...lines);
  return lines;
}

function drawRow(row, line) {
  const [, said, probability, certain] = line.children;
  said.textContent = row.emotion ?? row.error;
  if (!row.emotion) {
    said.colSpan = 3;
    probability.remove();
    certain.remove();
    return;
  }
  probability.textContent = row.probability.toFixed(2);
  certain.textContent = row.doubts ? `${row.certainty}: ${row.doubts}` : row.certainty;
}

function offer(kind, text, type) {
  const link = byId(`batch-${kind}`);
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.hidden = false;
}
