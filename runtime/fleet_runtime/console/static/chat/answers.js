import { signal } from "@preact/signals";
export const runningAnswers = signal(0);
