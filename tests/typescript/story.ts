// What the client of docs/consumers.md does with a running gateway; each line printed is one JSON value.
import { Fleet, FleetError } from "./fleet";
import { keepPicker } from "./picker";

const told = (value: unknown): void => console.log(JSON.stringify(value));

async function story(): Promise<void> {
  const fleet = new Fleet(process.argv[2] ?? "", "boochat");
  const found = await fleet.resolve("qwen3-8b");
  told([found.id, found.class, found.via, found.context]);
  const seen = await fleet.prefer("embedding/org/qwen3 8b:Q4");
  told(seen.favorites.map((favorite) => [favorite.id, favorite.available]));
  await fleet.prefer("sam-desktop/qwen3-8b");
  try {
    await fleet.arrange(seen, []);
  } catch (error) {
    told(error instanceof FleetError ? [error.status, error.code] : null);
  }
  const now = await fleet.favorites();
  const arranged = await fleet.arrange(now, now.favorites.map((favorite) => favorite.id).reverse());
  told(arranged.favorites.map((favorite) => favorite.id));
  let away = false;
  await keepPicker(fleet, (lines) => {
    told(lines);
    away ||= lines[0] === "embedding is offline";
    return !(away && lines[0] === "embedding is online");
  });
  const left = await fleet.forget("sam-desktop/qwen3-8b");
  told(left.favorites.length);
}

story().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
