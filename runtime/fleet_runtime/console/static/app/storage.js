// What this browser remembers. Storage may be blocked or full: then nothing is remembered, and nothing fails.

function over(area) {
  return {
    get(name, otherwise = null) {
      try {
        const text = area().getItem(`fleet.${name}`);
        return text === null ? otherwise : JSON.parse(text);
      } catch {
        return otherwise;
      }
    },
    set(name, value) {
      try {
        if (value === null || value === undefined) area().removeItem(`fleet.${name}`);
        else area().setItem(`fleet.${name}`, JSON.stringify(value));
      } catch {
        // blocked or full
      }
    },
  };
}

export const local = over(() => localStorage);
export const session = over(() => sessionStorage);
