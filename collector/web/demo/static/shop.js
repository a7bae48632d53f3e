// The shop's own script, as a site would write it: the basket, the order, and the consent banner.
// Rules: it stores nothing itself (the basket travels in the address), and it works when the SDK is missing.
(() => {
  const { body } = document;
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const track = (...event) => window.sluis?.track(...event);

  // Shop: what is looked at, put in the basket, ordered.
  const view = body.dataset.view ? JSON.parse(body.dataset.view) : null;
  if (view) track(view.name, view.properties);

  const readBasket = () => {
    const text = new URLSearchParams(location.search).get("basket") || "";
    return new Map(text.split(",").filter(Boolean).map((line) => line.split(".")));
  };
  let basket = readBasket();
  let path = location.pathname;
  const showBasket = () => {
    const lines = [...basket].map(([sku, quantity]) => `${sku}.${quantity}`);
    for (const link of all("a[data-shop]")) link.search = lines.length ? `?basket=${lines.join(",")}` : "";
    find("[data-count]").textContent = [...basket.values()].reduce((sum, quantity) => sum + Number(quantity), 0);
  };
  find("[data-add]")?.addEventListener("click", (event) => {
    event.preventDefault(); // without this script it is an ordinary link
    const sku = event.currentTarget.dataset.add;
    basket.set(sku, Math.min(9, Number(basket.get(sku) || 0) + 1));
    showBasket();
    const added = find("[data-added]");
    added.textContent = added.dataset.text;
    track("add_to_cart", view.properties);
  });

  find("[data-order]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const user = Object.fromEntries(new FormData(form));
    const [number] = crypto.getRandomValues(new Uint32Array(1));
    const transaction_id = `SL-${number.toString(36).toUpperCase().padStart(7, "0")}`;
    path = form.dataset.thanks;
    history.pushState(null, "", path);
    document.title = form.dataset.title;
    find("[data-checkout]").hidden = true;
    find("[data-thanks-view]").hidden = false;
    find("[data-number]").textContent = transaction_id;
    find("[data-thanks-view] h1").focus();
    basket = new Map();
    showBasket();
    track("purchase", { transaction_id, ...view.properties }, { user });
  });
  addEventListener("popstate", () => location.pathname !== path && location.reload());

  // Consent: what the visitor ticks is what the SDK is told; nothing is ticked for them.
  if (!window.sluis) return;
  const banner = find(".consent");
  const choices = find("[data-choices]");
  const state = find("[data-state]");
  const purposes = all("[data-purpose]");
  const recipients = all("[data-recipient]");
  const notice = body.dataset.notice;
  let opener = null;

  const refused = (choice) => choice?.v === "refused";
  const asked = (choice) => choice && (choice.notice_version ?? choice.n) === notice;
  const showState = (word) => {
    const choice = sluis.choice();
    state.textContent = state.dataset[word || (!choice ? "none" : refused(choice) ? "refused" : "accepted")];
  };
  const open = (choosing, from = null) => {
    opener = from;
    choices.hidden = !choosing;
    find("[data-choose]").hidden = choosing;
    find("[data-save]").hidden = !choosing;
    find("[data-choose]").setAttribute("aria-expanded", choosing);
    banner.hidden = false;
    body.classList.add("asking");
    banner.scrollTop = 0;
    banner.focus({ preventScroll: true });
  };
  const close = (word) => {
    banner.hidden = true;
    body.classList.remove("asking");
    showState(word);
    (opener || find("main")).focus({ preventScroll: true });
  };
  const decide = (isPurpose, isRecipient) => {
    const words = (yes) => Object.fromEntries(purposes.map((box) => [box.dataset.purpose, yes(box) ? "granted" : "denied"]));
    const narrowed = (box) => (isRecipient(box) ? {} : words(() => false));
    sluis.consent({
      ...words(isPurpose),
      recipients: Object.fromEntries(recipients.map((box) => [box.dataset.recipient, narrowed(box)])),
      notice_version: notice,
      language: document.documentElement.lang,
      ui_version: "demo-1",
    });
    close();
  };
  const ticked = (box) => box.checked;
  const showChoice = (choice) => {
    for (const box of purposes) box.checked = choice?.[box.dataset.purpose] === "granted";
    for (const box of recipients) {
      const narrowed = choice?.recipients?.[box.dataset.recipient];
      box.checked = Boolean(narrowed) && !Object.values(narrowed).includes("denied");
    }
  };

  find("[data-accept]").addEventListener("click", () => decide(() => true, () => true));
  find("[data-refuse]").addEventListener("click", () => decide(() => false, () => false));
  find("[data-save]").addEventListener("click", () => decide(ticked, ticked));
  find("[data-choose]").addEventListener("click", () => open(true, opener));
  find("[data-change]").addEventListener("click", ({ currentTarget }) => {
    showChoice(sluis.choice());
    open(true, currentTarget);
  });
  find("[data-withdraw]").addEventListener("click", ({ currentTarget }) => {
    sluis.withdraw(notice);
    opener = currentTarget;
    close("withdrawn");
  });
  choices.addEventListener("submit", (event) => event.preventDefault());
  banner.addEventListener("keydown", (event) => event.key === "Escape" && asked(sluis.choice()) && close());

  addEventListener("sluis:ask", () => banner.hidden && open(false));
  showState();
  if (!asked(sluis.choice())) open(false);
})();
