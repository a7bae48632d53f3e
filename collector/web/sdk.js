// Sluis browser SDK: track, page, consent, withdraw, choice, signals. Explained, with its reasons, in docs/sdk.md.
// Rules: before a choice only the choice is read. After a refusal nothing is sent. An identifier exists only
// while its purpose is granted. The choice is read afresh each time, so another tab's withdrawal counts here too.
(() => {
  if (window.sluis) return;
  const script = document.currentScript;
  const endpoint = script.dataset.endpoint || new URL(script.src).origin;
  const auto = script.dataset.auto !== "false";
  const CHOICE = "sluis_choice";
  const CLIENT = "sluis_id";
  const SESSION = "sluis_session";
  const WITHDRAWAL = "sluis_withdrawal";
  let queue = [];
  let flying = [];
  let click, here, referrer;
  // What an adapter heard from a consent platform goes along with every statement and is never stored. While it is
  // null sending waits, 2 s at most or until the page is left; while it is false, until the adapter says more.
  let heard = document.querySelector("[src*=sluis-cmp]") ? null : {};
  let visible = 0;
  let since = performance.now();

  // Cookies: ages in days.
  const read = (name, parse = String) => {
    try {
      return parse(decodeURIComponent(document.cookie.match(`(?:^|; )${name}=([^;]*)`)[1]));
    } catch {}
  };
  const keep = (name, value, days) => {
    const secure = location.protocol === "https:" ? ";Secure" : "";
    document.cookie = `${name}=${encodeURIComponent(value)};Path=/;SameSite=Lax;Max-Age=${Math.round(days * 86400)}${secure}`;
    return value;
  };
  const keepJson = (name, value, days) => keep(name, JSON.stringify(value), days);
  const random = () =>
    btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)))).replace(/[+/]/g, "-").slice(0, 22);
  const digits = () => 1e9 + (crypto.getRandomValues(new Uint32Array(1))[0] % 1147483648);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // The choice: an acceptance is stored as {c: consent, u: what the server must still be told}, a refusal as {v, n, d}.
  const stored = () => read(CHOICE, JSON.parse) || null;
  const choice = () => stored()?.c || stored();
  const granted = (c, purpose, who) =>
    c?.[purpose] === "granted" &&
    Object.entries(c.recipients || { [who]: {} }).some(
      ([name, narrowed]) => (!who || name === who) && (narrowed[purpose] ?? "granted") === "granted",
    );
  const accepts = (c) => Object.keys(c).some((purpose) => granted(c, purpose));
  const measures = (c) => granted(c, "analytics_storage");
  const gpc = () => navigator.globalPrivacyControl || undefined;
  const advertises = (c) => !gpc() && granted(c, "ad_storage", "meta") && granted(c, "ad_user_data", "meta");
  const clean = (c) => {
    if (!measures(c)) [CLIENT, SESSION].map((name) => keep(name, "", 0));
    if (!advertises(c)) ["_fbp", "_fbc"].map((name) => keep(name, "", 0));
  };

  // Identifiers, made at the first use that their purpose permits.
  const client = (c) =>
    measures(c) ? read(CLIENT) || keep(CLIENT, `${digits()}.${Math.floor(Date.now() / 1000)}`, 395) : undefined;
  const session = (c, at) =>
    measures(c) ? keep(SESSION, read(SESSION) || `${Math.floor(at / 1000)}`, 1 / 48) : undefined;
  const fb = (at, id) => `fb.${Math.min(2, location.hostname.split(".").length - 1)}.${at}.${id}`;
  const fbp = () => read("_fbp") || keep("_fbp", fb(Date.now(), digits()), 90);
  const fbc = () => {
    const known = read("_fbc");
    return click && known?.split(".")[3] !== click.id ? keep("_fbc", fb(click.at, click.id), 90) : known;
  };

  // What is to be sent next: a job, or nothing.
  const dressed = (c, { user, user_id, session_id, ...event }) => ({
    ...event,
    user: granted(c, "ad_user_data") ? user : undefined,
    user_id: measures(c) || granted(c, "ad_user_data") ? user_id : undefined,
    client_id: client(c),
    session_id: measures(c) ? session_id || session(c, event.timestamp) : undefined,
    context: { language: navigator.language, ...(advertises(c) && { fbp: fbp(), fbc: fbc() }) },
  });
  const stated = (c) => ({ ...c, ...heard, gpc: gpc() });
  const next = (leaving) => {
    const c = choice();
    const untold = stored()?.u;
    if (c && !accepts(c)) queue = [];
    if (heard === false || (!heard && !leaving)) return;
    if (untold && !leaving) {
      return {
        path: "consent",
        body: { ...stated(c), ...untold, client_id: client(c) },
        done: () => choice()?.decided_at === c.decided_at && keepChoice({ c }, Date.parse(c.decided_at)),
      };
    }
    const events = queue.filter((event) => !flying.includes(event)).slice(0, 20);
    return c && events.length && {
      path: "events",
      body: { events: events.map((event) => dressed(c, event)), consent: stated(c) },
      events,
      done: () => (queue = queue.filter((event) => !events.includes(event))),
    };
  };
  const withdrawals = () => read(WITHDRAWAL, JSON.parse) || [];
  const owed = () => {
    const [body] = withdrawals();
    const others = () => withdrawals().filter(({ choice_id }) => choice_id !== body.choice_id);
    return body && {
      method: "DELETE",
      path: "consent",
      body,
      done: () => keepJson(WITHDRAWAL, others(), others().length && 395),
    };
  };

  // Sending: answers nothing when the job is over, or the milliseconds the server asks us to wait. A choice that no
  // longer covers what the site does is for the page to ask about again.
  const send = async ({ method = "POST", path, body }) => {
    const text = JSON.stringify(body);
    try {
      const answer = await fetch(`${endpoint}/v1/${path}`, {
        method,
        body: text,
        credentials: "omit",
        headers: { "Content-Type": "text/plain" },
        keepalive: text.length < 2e4,
        signal: AbortSignal.timeout?.(15e3),
      });
      answer.text().then((text) => /expired_c|_covered/.test(text) && dispatchEvent(new Event("sluis:ask")), String);
      if (answer.ok || (method === "POST" && answer.status < 500 && answer.status !== 429)) return;
      const after = answer.headers.get("Retry-After");
      return after * 1e3 || Date.parse(after) - Date.now() || 1;
    } catch {
      return 1;
    }
  };
  const sender = (work) => {
    let running;
    const run = async () => {
      await sleep();
      for (let job, tries = 0; (job = work()); ) {
        if (job.events) flying = job.events;
        const pause = await send(job);
        if (job.events) flying = [];
        if (pause) await sleep(Math.max(pause, Math.min(3e5, 500 * 2 ** tries++) * (1 + Math.random())));
        else job.done(), (tries = 0);
      }
      running = null;
    };
    return () => (running ||= run());
  };
  const post = sender(() => next());
  const erase = sender(owed);
  const leave = () => {
    for (let job; (job = next(true)); job.done()) {
      const blob = new Blob([JSON.stringify(job.body)], { type: "text/plain" });
      if (!navigator.sendBeacon(`${endpoint}/v1/${job.path}`, blob)) return;
    }
  };

  // The page: where the visitor is, and for how long it was visible since the last event.
  const engaged = () => {
    const now = performance.now();
    const ms = visible + (document.hidden ? 0 : now - since);
    visible = 0;
    since = now;
    return Math.ceil(ms) || 1;
  };
  const arrived = () => {
    const [url] = location.href.split("#");
    if (url === here) return;
    referrer = here ?? document.referrer;
    here = url;
    const id = new URLSearchParams(location.search).get("fbclid");
    if (id) click = { id, at: Date.now() };
    return true;
  };
  const look = () => auto && arrived() && track("page_view");

  const track = (name, properties, { user, user_id, event_id } = {}) => {
    look();
    const timestamp = Date.now();
    const event = {
      event_id: event_id || random(),
      name,
      timestamp,
      session_id: session(choice(), timestamp),
      user_id,
      user,
      page: { url: location.href, referrer, title: document.title },
      properties: { engagement_time_msec: engaged(), ...properties },
    };
    queue = [...queue, JSON.parse(JSON.stringify(event))].slice(-100);
    post();
  };
  const page = () => arrived() & track("page_view");
  const keepChoice = (kept, at) => keepJson(CHOICE, kept, 183 - (Date.now() - at) / 864e5);
  const consent = ({
    language = document.documentElement.lang || navigator.language,
    ui_version,
    decided_at = new Date().toISOString(),
    ...c
  }) => {
    if (!accepts(c)) return withdraw(c.notice_version);
    const choice_id = choice()?.choice_id || `${decided_at.slice(0, 10).replace(/-/g, "")}.${random()}`;
    c = { ...c, origin: "choice", decided_at, choice_id };
    keepChoice({ c, u: { language, ui_version } }, Date.parse(decided_at));
    clean(choice());
    post();
  };
  const withdraw = (notice) => {
    const old = choice();
    const known = old?.choice_id && { choice_id: old.choice_id, client_id: read(CLIENT) };
    queue = [];
    click = null;
    clean();
    const d = new Date().toISOString().slice(0, 10);
    keepChoice({ v: "refused", n: notice ?? old?.notice_version ?? old?.n, d }, Date.now());
    if (known) keepJson(WITHDRAWAL, [...withdrawals(), known], 395);
    return erase();
  };

  const signals = (said) => {
    heard = said;
    post();
  };

  window.sluis = { track, page, consent, withdraw, choice, signals };
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && auto && page());
  document.addEventListener("visibilitychange", () => {
    const now = performance.now();
    if (document.hidden) visible += now - since;
    since = now;
    if (document.hidden) leave();
  });
  for (const method of ["pushState", "replaceState"]) {
    const original = history[method];
    history[method] = function (...args) {
      original.apply(this, args);
      setTimeout(look);
    };
  }
  addEventListener("popstate", () => setTimeout(look));

  clean(choice());
  erase();
  arrived();
  if (auto) track("page_view");
  setTimeout(() => heard ?? signals({}), 2e3);
  const run = ([name, ...args]) => window.sluis[name](...args);
  (window.sluisQueue || []).forEach(run);
  window.sluisQueue = { push: run };
})();
