// The chat of docs/consumers.md against a gateway: prints how it ended, as one JSON value. With "stop" it stops at the first text.
import { chat } from "./chat";

async function story(): Promise<void> {
  const [url = "", model = "", mode = ""] = process.argv.slice(2);
  const stop = new AbortController();
  let text = "";
  const ended = await chat(
    `${url}/boochat`,
    model,
    [{ role: "user", content: "hello" }],
    (more) => {
      text += more;
      if (mode === "stop" && text !== "") stop.abort();
    },
    stop.signal,
  );
  console.log(JSON.stringify({ ...ended, text }));
}

story().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
