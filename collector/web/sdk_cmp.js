// Sluis and consent platforms: hears __tcfapi, __gpp and Consent Mode, and makes one statement of them for sluis.js.
// Explained, with its reasons, in docs/sdk.md ("With a consent platform") and docs/decisions/0010-cmp-adapter.md.
// Rules: only a visitor's answer counts, never a default or an open question. TCF says nothing of statistics, and Meta
// needs its own id. Of several sources the strictest holds. The same answer heard again is not a new act.
(() => {
  const sluis = window.sluis;
  if (!sluis?.signals || sluis.platform) return;
  const script = document.currentScript.dataset;
  const reads = (source) => (script.read || "tcf gpp consent-mode").split(" ").includes(source);
  const named = (script.recipients || "google").split(" ");
  const { consent, withdraw, choice, signals } = sluis;
  const KNOWN = "sluis_cmp";
  const ADS = ["ad_storage", "ad_user_data", "ad_personalization"];
  const DECISIVE = [...ADS, "analytics_storage"];
  const PURPOSES = [...DECISIVE, "functionality_storage", "personalization_storage", "security_storage"];
  const granted = (answer) => answer === "granted";

  // What this page has heard. tcf is set where the GDPR applies and the visitor has answered; mode by purpose.
  let tcf, applies, gpp, timer;
  const mode = {};
  // The platform has put a question that is open; it showed itself; the visitor answered there, on this page;
  // the page called withdraw() and the platform still says what it said before; we are speaking ourselves.
  let asking, shown, answered, withdrawn, telling;

  // TCF. Google is vendor 755, as far as the publisher does not restrict it; Meta is not on IAB's list and counts when
  // Google's additional consent names it (89) among the consented ones, and all four purposes are agreed to.
  const NEEDS = { ad_storage: [1], ad_user_data: [1, 7], ad_personalization: [3, 4] };
  const META = /^(1~(\d+\.)*89(\.\d+)*|2~(\d+\.)*89(\.\d+)*~dv[.\d]*)$/;
  const agreed = (ids) => ids.every((id) => tcf.purpose?.consents?.[id] === true);
  const unrestricted = (ids) => ids.every((id) => (tcf.publisher?.restrictions?.[id]?.[755] ?? 1) === 1);
  const VENDORS = {
    google: (ids) => tcf.vendor?.consents?.[755] === true && agreed(ids) && unrestricted(ids),
    meta: () => META.test(tcf.addtlConsent) && agreed([1, 3, 4, 7]),
  };
  const permits = (name, purpose) => name in VENDORS && VENDORS[name](NEEDS[purpose]);
  // When the visitor answered, at the latest: a TC string has its date in tenths of a second, rounded to the day.
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const written = () => {
    const tenths = [...(tcf.tcString || "").slice(7, 13)].reduce((sum, digit) => sum * 64 + DIGITS.indexOf(digit), 0);
    return new Date(Math.min(Date.now(), tenths * 100 + 864e5)).toISOString();
  };
  // GPP only takes away. The collector reads the string; here an opt-out in any section keeps identifiers away.
  const OUT = /\W(Sale|Sharing|TargetedAdvertising)OptOut\W+1\b|OptOutSale\W+Y|\WGpc\W+(true|1)\b/;
  const optedOut = () => gpp?.applicableSections?.[0] !== -1 && OUT.test(JSON.stringify(gpp?.parsedSections));

  // The strings go along with each request, out of the memory of the page.
  const strings = () => ({
    gdpr_applies: applies,
    tc_string: tcf?.tcString,
    event_status: tcf?.eventStatus,
    additional_consent: tcf?.addtlConsent,
    gpp_string: gpp?.gppString || undefined,
    gpp_sid: gpp?.applicableSections,
  });
  const speaks = () => tcf || Object.keys(mode).length > 0;
  const answers = () => {
    const now = { ...mode };
    if (tcf) for (const name in VENDORS) ADS.forEach((purpose) => (now[`${name}.${purpose}`] = permits(name, purpose)));
    if (gpp) now.opted_out = optedOut();
    return now;
  };
  const known = () => {
    try {
      return JSON.parse(decodeURIComponent(document.cookie.match(`(?:^|; )${KNOWN}=([^;]*)`)[1])) || {};
    } catch {
      return {};
    }
  };
  const remember = (now) => {
    const secure = location.protocol === "https:" ? ";Secure" : "";
    const value = encodeURIComponent(JSON.stringify({ ...known(), ...now }));
    document.cookie = `${KNOWN}=${value};Path=/;SameSite=Lax;Max-Age=34128000${secure}`;
  };

  // One statement of what the platform and the page itself (own) say. What neither speaks of stays as it was.
  const statement = (own) => {
    const last = choice() || {};
    const others = [own.recipients, last.recipients, tcf && VENDORS].flatMap((who) => Object.keys(who || {}));
    const names = [...named, ...others];
    const said = (purpose) => [
      ...(purpose in mode ? [mode[purpose]] : []),
      ...(purpose in own ? [granted(own[purpose])] : []),
    ];
    const byTcf = (purpose) => tcf && ADS.includes(purpose);
    const covers = ({ recipients: who }, name, purpose) =>
      who ? who[name] && granted(who[name][purpose] ?? "granted") : named.includes(name);
    const may = (name, purpose) => {
      const yes = said(purpose).every(Boolean);
      if (ADS.includes(purpose) && optedOut()) return false;
      if (byTcf(purpose)) return yes && permits(name, purpose) && (!own.recipients || covers(own, name, purpose));
      if (said(purpose).length) return yes && covers(own, name, purpose);
      return granted(last[purpose]) && covers(last, name, purpose);
    };
    const grants = PURPOSES.filter((purpose) => names.some((name) => may(name, purpose)));
    const spoken = DECISIVE.filter((purpose) => said(purpose).length || byTcf(purpose));
    const within = (purposes) => purposes.some((purpose) => grants.includes(purpose));
    if (!within(DECISIVE) || (spoken.length && !within(spoken))) return;
    const c = { notice_version: script.noticeVersion || last.notice_version, ...own, recipients: {} };
    for (const purpose of PURPOSES) {
      if (grants.includes(purpose)) c[purpose] = "granted";
      else if (said(purpose).length || byTcf(purpose) || last[purpose]) c[purpose] = "denied";
    }
    for (const name of names) {
      const denied = grants.filter((purpose) => !may(name, purpose));
      if (denied.length < grants.length) c.recipients[name] = Object.fromEntries(denied.map((one) => [one, "denied"]));
    }
    return c;
  };
  const decide = (c) => {
    const old = choice();
    if (c) return consent({ ...c, decided_at: !old && tcf?.eventStatus === "tcloaded" ? written() : undefined });
    // A refusal, once. A denial by Consent Mode alone, before the visitor touched the page, is no answer yet.
    const heard = tcf || (speaks() && navigator.userActivation?.hasBeenActive !== false);
    if (old ? !old.v : heard) withdraw(script.noticeVersion);
  };

  // Signals of one act arrive together: wait for the others, and let nothing go in between.
  const settle = () => {
    if (asking) return;
    const now = answers();
    const before = known();
    const c = statement({});
    // After a refusal what was never heard before is no new answer: the platform may not have been told.
    const news = (key) => now[key] !== before[key] && !(choice()?.v && before[key] === undefined);
    const changed = Object.keys(now).some(news);
    const renewed = !choice() && navigator.userActivation?.isActive;
    if (answered || (!c && speaks())) withdrawn = false;
    if (answered || renewed || changed) {
      if (!withdrawn) decide(c);
      if (choice()) remember(now);
    }
    answered = false;
    signals(strings());
  };
  const hear = () => {
    signals(false);
    clearTimeout(timer);
    timer = setTimeout(settle, 50);
  };

  const listen = (api, register, wait = 50) => {
    if (typeof window[api] === "function") register(window[api]);
    else if (wait < 2e4) setTimeout(listen, wait, api, register, wait * 1.5);
  };
  const onTcf = (data, success) => {
    if (!success) return;
    const { eventStatus: status, gdprApplies } = data;
    if (status === "cmpuishown" && gdprApplies !== false) {
      shown = true;
      asking = applies === undefined;
      if (asking) signals(false);
    } else if (gdprApplies === false || (gdprApplies && (status === "tcloaded" || status === "useractioncomplete"))) {
      applies = gdprApplies;
      tcf = applies ? data : undefined;
      if (status === "useractioncomplete") {
        answered ||= shown;
        shown = false;
      }
      asking = false;
      hear();
    }
  };
  const onGpp = (event) => {
    if (event?.pingData?.signalStatus !== "ready") return;
    gpp = event.pingData;
    hear();
  };
  const onLayer = (entry) => {
    if (telling || entry?.[0] !== "consent" || entry[1] !== "update") return;
    for (const purpose of PURPOSES) if (purpose in Object(entry[2])) mode[purpose] = granted(entry[2][purpose]);
    hear();
  };

  // What the page itself says. A withdrawal is passed on to the platform, where it can be told.
  const PLATFORMS = [
    () => window.Cookiebot?.withdraw(),
    () => window.OneTrust?.RejectAll(),
    () => window.Didomi?.setUserDisagreeToAll(),
    () => (window.__ucCmp || window.UC_UI)?.denyAllConsents(),
    () => window.openAxeptioCookies?.(),
  ];
  let layer;
  function gtag() {
    layer?.push(arguments);
  }
  const tell = () => {
    telling = true;
    gtag("consent", "update", Object.fromEntries(DECISIVE.map((purpose) => [purpose, "denied"])));
    telling = false;
    PLATFORMS.forEach(async (platform) => {
      try {
        await platform();
      } catch {}
    });
  };
  sluis.withdraw = (notice) => {
    const refused = choice()?.v;
    const done = withdraw(notice);
    if (!refused) {
      withdrawn = true;
      tell();
    }
    return done;
  };
  sluis.consent = (own) => {
    const c = statement(own);
    return c ? consent(c) : sluis.withdraw(own.notice_version);
  };
  sluis.platform = () => ({ ...answers(), ...strings() });

  if (reads("tcf")) listen("__tcfapi", (api) => api("addEventListener", 2, onTcf));
  if (reads("gpp")) listen("__gpp", (api) => api("addEventListener", onGpp));
  if (reads("consent-mode")) {
    layer = window[script.layer || "dataLayer"] ||= [];
    [...layer].forEach(onLayer);
    const push = layer.push;
    layer.push = function (...entries) {
      const length = push.apply(this, entries);
      entries.forEach(onLayer);
      return length;
    };
  }
})();
