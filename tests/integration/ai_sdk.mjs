// Uses Vercel's AI SDK against the surface and the machine given, and prints what it saw as JSON.
import { generateText, streamText, embedMany, tool, jsonSchema } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";

const [url, machine, dead] = process.argv.slice(2);
const fleet = createOpenAICompatible({ name: "fleet", baseURL: `${url}/v1`, apiKey: "any" });
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: "any" });
const id = `${machine}/qwen3-8b`;
const prompt = "hi";
const seen = {};

seen.chat = (await generateText({ model: fleet(id), prompt })).text;
seen.stream = "";
for await (const text of streamText({ model: fleet(id), prompt }).textStream) seen.stream += text;
seen.responses = (await generateText({ model: openai.responses(id), prompt })).text;
seen.anthropic = (await generateText({ model: anthropic(id), prompt })).text;
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = { weather: tool({ description: "the weather", inputSchema: jsonSchema(parameters) }) };
const called = await generateText({ model: fleet(id), prompt, tools, toolChoice: "required" });
seen.tool = called.toolCalls[0].input;
const values = ["a", "b"];
seen.vectors = (await embedMany({ model: fleet.textEmbeddingModel(`${machine}/nomic-embed`), values })).embeddings.length;
const began = Date.now();
try {
  await generateText({ model: fleet(dead), prompt });
} catch (error) {
  seen.dead = { told: String(error.message).includes("cannot be reached"), soon: Date.now() - began < 10000 };
}
console.log(JSON.stringify(seen));
