export function Sparks() {
  return null;
}
