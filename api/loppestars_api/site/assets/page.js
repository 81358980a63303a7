"use strict";
const find = (id) => document.getElementById(id);
const root = document.body.dataset.root;

// A list item and its spot on the map light up together.
for (const card of document.querySelectorAll("[data-id]")) {
  const spot = document.querySelector(`[data-spot="${card.dataset.id}"]`);
  if (!spot) continue;
  const light = (on) => () => { card.classList.toggle("lit", on); spot.classList.toggle("lit", on); };
  for (const part of [card, spot]) {
    part.addEventListener("pointerenter", light(true));
    part.addEventListener("pointerleave", light(false));
  }
  card.addEventListener("focus", light(true));
  card.addEventListener("blur", light(false));
}

const near = find("near");
if (near && navigator.geolocation) {
  near.hidden = false;
  near.addEventListener("click", () => navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      const query = new URLSearchParams(location.search);
      query.delete("q");
      // About a hundred metres: enough for a list, and no more than it needs.
      query.set("latitude", coords.latitude.toFixed(3));
      query.set("longitude", coords.longitude.toFixed(3));
      location.search = query;
    },
    () => { find("near-denied").textContent = near.dataset.denied; },
    { timeout: 10000, maximumAge: 600000 },
  ));
}

const form = find("blur-form");
if (form) {
  const status = find("blur-status");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const photo = find("photo").files[0];
    status.textContent = status.dataset.working;
    try {
      const body = new FormData();
      body.append("file", photo);
      const answer = await fetch(form.action, { method: "POST", body });
      if (!answer.ok) throw new Error(answer.status);
      const faces = Number(answer.headers.get("X-Faces-Detected"));
      show("before", photo);
      show("after", await answer.blob());
      find("blur-result").hidden = false;
      status.textContent = `${faces} ${faces === 1 ? status.dataset.face : status.dataset.faces}`;
    } catch {
      status.textContent = status.dataset.failed;
    }
  });
  const show = (id, blob) => {
    URL.revokeObjectURL(find(id).src);
    find(id).src = URL.createObjectURL(blob);
  };
  find("divide").addEventListener("input", ({ target }) => {
    document.querySelector(".compare").style.setProperty("--at", `${target.value}%`);
  });
}

// Back from signing in: the session is in the fragment, which no server and no history keeps.
const KEY = "loppestars-session";
const given = new URLSearchParams(location.hash.slice(1));
if (given.has("access_token") || given.has("error")) {
  if (given.has("access_token")) sessionStorage.setItem(KEY, given.get("access_token"));
  history.replaceState(null, "", location.pathname + location.search);
}
const token = sessionStorage.getItem(KEY);
const authorised = { Authorization: `Bearer ${token}` };
const rate = find("rate");
if (token) {
  fetch(`${root}/me`, { headers: authorised }).then((answer) => {
    if (!answer.ok) return sessionStorage.removeItem(KEY);
    find("signed-in").hidden = false;
    for (const link of document.querySelectorAll(".sign-in")) link.hidden = true;
    if (rate) rate.hidden = false;
  }).catch(() => {});
  find("sign-out").addEventListener("click", () => { sessionStorage.removeItem(KEY); location.reload(); });
}
if (rate) {
  const status = rate.querySelector("[role=status]");
  rate.rating.addEventListener("input", () => { rate.querySelector("output").value = rate.rating.value; });
  rate.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { rating: Number(rate.rating.value) };
    if (rate.comment.value.trim()) body.comment = rate.comment.value.trim();
    const answer = await fetch(`${root}/markets/${rate.dataset.market}/ratings`, {
      method: "PUT",
      headers: { ...authorised, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => ({ ok: false }));
    status.textContent = answer.ok ? rate.dataset.thanks : rate.dataset.failed;
  });
}
