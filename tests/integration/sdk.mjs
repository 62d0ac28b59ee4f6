// Uses the OpenAI SDK for Node against the surface and the machine given, and prints what it saw as JSON.
import OpenAI, { toFile } from "openai";

const [baseURL, machine] = process.argv.slice(2);
const openai = new OpenAI({ baseURL, apiKey: "any" });
const messages = [{ role: "user", content: "hi" }];
const model = `${machine}/qwen3-8b`;
const seen = { listed: [] };

for await (const listed of openai.models.list()) seen.listed.push(listed.id);

seen.chat = (await openai.chat.completions.create({ model, messages })).choices[0].message.content;

seen.stream = "";
for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true })) {
  seen.stream += chunk.choices[0]?.delta?.content ?? "";
  seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
}

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const called = await openai.chat.completions.create({ model, messages, tools, tool_choice: "required" });
seen.tool = JSON.parse(called.choices[0].message.tool_calls[0].function.arguments);

const embedded = await openai.embeddings.create({ model: `${machine}/nomic-embed`, input: ["a", "b"] });
seen.vectors = embedded.data.length;

seen.response = (await openai.responses.create({ model, input: "hi" })).output_text;
seen.responseStream = "";
for await (const event of await openai.responses.create({ model, input: "hi", stream: true })) {
  if (event.type === "response.output_text.delta") seen.responseStream += event.delta;
}

const file = await toFile(Buffer.alloc(3000), "a.wav");
seen.heard = (await openai.audio.transcriptions.create({ model: `${machine}/whisper`, file })).text;

const image = await toFile(Buffer.alloc(3000), "a.png", { type: "image/png" });
const prompt = "ships";
const drawn = await openai.images.generate({ model: `${machine}/flux`, prompt });
const edited = await openai.images.edit({ model: `${machine}/flux`, prompt, image });
seen.drawn = drawn.data[0].b64_json === edited.data[0].b64_json;

try {
  await openai.chat.completions.create({ model: `${machine}/nope`, messages });
} catch (error) {
  seen.unknown = [error.status, error.code];
}
console.log(JSON.stringify(seen));
