// Comfort for those whose browser runs scripts. No page needs it: everything here is done without it too.
"use strict";

(() => {
  const copyable = (block) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    const what = document.createElement("span");
    what.className = "visually-hidden";
    what.textContent = " " + (block.dataset.what || "this text");
    const say = (word) => button.replaceChildren(word, what);
    say("Copy");
    button.addEventListener("click", async () => {
      const text = block.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // Without TLS browsers keep the clipboard shut: mark the text, so that one key copies it.
        getSelection().selectAllChildren(block.querySelector("code"));
        say("Press Ctrl+C to copy");
        return;
      }
      say("Copied");
      setTimeout(say, 2000, "Copy");
    });
    block.append(button);
  };

  const localized = (time) => {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    time.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    time.textContent = at.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
    if ("exact" in time.dataset) time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  };

  document.querySelectorAll(".snippet").forEach(copyable);
  document.querySelectorAll("time[datetime]").forEach(localized);

  // "/" goes to the search field, as on other indexes.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = document.getElementById("search-field");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
})();
