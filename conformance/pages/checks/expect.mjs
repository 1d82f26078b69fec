// What a check wants, with what it found in the text of its fault.

export function equal(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
}

export function includes(text, part, what) {
  if (!text.includes(part)) throw new Error(`${what}: ${JSON.stringify(text.slice(0, 400))} lacks ${JSON.stringify(part)}`);
}

export function isTrue(value, what) {
  if (!value) throw new Error(what);
}

// Waits until a function of the page or of here gives something.
export async function eventually(look, what, ms = 8_000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not come: ${JSON.stringify(last)}`);
}
