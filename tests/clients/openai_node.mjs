// OpenAI's client for JavaScript: answers, chunks, and the helper that folds chunks to an answer.

import OpenAI from "openai";
import { tell } from "./reading.mjs";

const clientOf = ({ baseURL, key }) => new OpenAI({ baseURL, apiKey: key });
const bodyOf = ({ model, messages, n, fields }) => ({ model, messages, n, ...fields });
const placesOf = ({ message }) => ({ images: message.images, content: message.content });
const readingOf = ({ choices, cost, usage }) => ({ choices: choices.map(placesOf), cost: cost ?? usage?.cost });

async function whole(asked) {
  return readingOf(await clientOf(asked).chat.completions.create(bodyOf(asked)));
}

async function streamed(asked) {
  const choices = Array.from({ length: asked.n }, () => ({ images: [], content: "" }));
  let cost = null;
  for await (const chunk of await clientOf(asked).chat.completions.create({ ...bodyOf(asked), stream: true })) {
    for (const { index, delta } of chunk.choices) {
      choices[index].images.push(...(delta.images ?? []));
      choices[index].content += delta.content ?? "";
    }
    cost = chunk.cost ?? cost;
  }
  return { choices, cost };
}

async function folded(asked) {
  return readingOf(await clientOf(asked).chat.completions.stream(bodyOf(asked)).finalChatCompletion());
}

await tell("openai for JavaScript", "openai", { whole, streamed });
await tell("openai for JavaScript, `.stream()`", "openai", { streamed: folded });
