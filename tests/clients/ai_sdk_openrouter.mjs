// Vercel's AI SDK with OpenRouter's provider, which makes files of `images`.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText, streamText } from "ai";
import { dataUrlsOf, tell } from "./reading.mjs";

const callOf = ({ baseURL, key, model, prompt, fields }) => ({
  model: createOpenRouter({ baseURL, apiKey: key })(model, { extraBody: fields }),
  prompt,
  maxRetries: 0,
});
const costOf = (metadata) => metadata?.openrouter?.usage?.cost;

async function whole(asked) {
  const { files, text, providerMetadata } = await generateText(callOf(asked));
  return { choices: [{ files: dataUrlsOf(files), text }], cost: costOf(providerMetadata) };
}

async function streamed(asked) {
  const files = [];
  let text = "";
  const result = streamText({ ...callOf(asked), onError: () => {} });
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "file") files.push(part.file);
    if (part.type === "text-delta") text += part.text;
  }
  return { choices: [{ files: dataUrlsOf(files), text }], cost: costOf(await result.providerMetadata) };
}

await tell("AI SDK, `@openrouter/ai-sdk-provider`", "@openrouter/ai-sdk-provider", { whole, streamed }, { hasN: false });
