// What a client's script is told, and what it says of every answer that it read: lines of JSON.
//
// Rule: a script takes the answer through its client's own interface and hands over what it found there,
// place by place; whether those are the right bytes is judged elsewhere. The Python scripts do the same.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const REQUESTS = {
  content: ["v3", { image_output: "content" }],
  images: ["v3", { image_output: "images" }],
  both: ["v3", { image_output: "both" }],
  parts: ["v3", { image_output: "parts" }],
  markdown: ["v3", { image_output: "markdown" }],
  "/v1": ["v1", {}],
  modalities: ["v3", { modalities: ["text", "image"] }],
};
const DATA_URL = /data:image\/\w+;base64,([A-Za-z0-9+/]+={0,2})/g;

// `readers` by mode, `whole` and `streamed`: each takes what is asked and returns {choices: [{place: value}], cost}.
// A client without `n` reads no answers of several choices.
export async function tell(client, packageName, readers, { hasN = true } = {}) {
  const version = versionOf(packageName);
  for (const task of JSON.parse(process.argv[2])) {
    if (task.n > 1 && !hasN) continue;
    for (const [way, [api, fields]] of Object.entries(REQUESTS)) {
      for (const mode of task.modes.filter((mode) => mode in readers)) {
        const { url, key, model, prompt, n } = task;
        const messages = [{ role: "user", content: prompt }];
        const found = await read(readers[mode], { baseURL: `${url}/${api}`, key, model, prompt, messages, n, fields });
        console.log(JSON.stringify({ client, version, task: task.name, way, mode, ...found }));
      }
    }
  }
}

export const dataUrlsOf = (files) => files.map((file) => `data:${file.mediaType};base64,${file.base64}`);

function versionOf(packageName) {
  const file = new URL(`node_modules/${packageName}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file)).version;
}

async function read(reader, asked) {
  try {
    const { choices, cost = null } = await reader(asked);
    return { choices: choices.map(described), cost };
  } catch (error) {
    return { error: String(error).slice(0, 300) };
  }
}

function described(places) {
  const texts = Object.entries(places).map(([place, value]) => [place, JSON.stringify(value ?? null)]);
  const words = texts.map(([, text]) => text).join(" ").replaceAll(DATA_URL, "");
  for (const [place, text] of texts) {
    const found = [...text.matchAll(DATA_URL)].map(([, data]) => digestOf(data));
    if (found.length) return { place, pictures: found, words };
  }
  return { place: null, pictures: [], words };
}

const digestOf = (data) => createHash("sha256").update(Buffer.from(data, "base64")).digest("hex");
