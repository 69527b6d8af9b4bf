// One POST, and the four ways it can end: an answer, a refusal in words, signed out, nobody there.

export class Refused extends Error {
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

export class SignedOut extends Error {}

export class Unreachable extends Error {}

const TIMEOUT_MS = 20_000;

function csrfToken() {
  // Read each time: signing in again in another tab changes it.
  const found = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  return found ? decodeURIComponent(found[1]) : "";
}

async function bodyOf(response) {
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

export async function post(url, body) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json",
        "X-CSRFToken": csrfToken(),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  const reply = await bodyOf(response);
  if (response.ok && reply) return reply;
  // 403 without words of ours is Django's CSRF page: somebody else signed in, or nobody is.
  if (response.status === 401 || (response.status === 403 && !reply)) throw new SignedOut();
  const refusal = response.status >= 400 && response.status < 500 && response.status !== 429;
  if (refusal && reply) throw new Refused(reply.code, reply.detail);
  throw new Unreachable(`status ${response.status}`);
}
