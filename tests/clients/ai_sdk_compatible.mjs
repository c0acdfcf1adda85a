// Vercel's AI SDK with its provider for whatever speaks as OpenAI does.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { dataUrlsOf, tell } from "./reading.mjs";

const callOf = ({ baseURL, key, model, prompt, fields }) => ({
  model: createOpenAICompatible({ name: "impasto", baseURL, apiKey: key })(model),
  providerOptions: { impasto: fields },
  prompt,
  maxRetries: 0,
});

async function whole(asked) {
  const { files, text, usage } = await generateText(callOf(asked));
  return { choices: [{ files: dataUrlsOf(files), text }], cost: usage.raw?.cost };
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
  return { choices: [{ files: dataUrlsOf(files), text }], cost: (await result.usage).raw?.cost };
}

await tell("AI SDK, `@ai-sdk/openai-compatible`", "@ai-sdk/openai-compatible", { whole, streamed }, { hasN: false });
