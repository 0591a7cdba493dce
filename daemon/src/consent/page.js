"use strict";
// The fragment reaches no server by itself. It is taken out of the address bar and the history before anything else,
// and goes back to where this page came from in a body, which neither remembers.
{
  const main = document.querySelector("main");
  const part = (name) => main.querySelector(`.${name}`);
  const answer = new URLSearchParams(location.hash.slice(1));
  // Imgur has the state in the query. Tokens in a query are no answer: whoever can make the browser go here writes it.
  for (const name of ["state", "iss", "error", "error_description"]) {
    for (const value of new URLSearchParams(location.search).getAll(name)) {
      if (answer.get(name) !== value) answer.append(name, value);
    }
  }
  answer.set("nonce", main.dataset.nonce);
  const here = location.origin + location.pathname;
  history.replaceState(null, "", here);

  // Text stays text, whatever it looks like; what stands between backticks is a command.
  const write = (element, text) => {
    element.hidden = !text;
    element.replaceChildren(...(text ?? "").split("`").map((piece, index) => {
      if (index % 2 === 0) return piece;
      const code = document.createElement("code");
      code.textContent = piece;
      return code;
    }));
  };
  const show = (page) => {
    document.title = `${page.title} – imgurd`;
    main.dataset.mark = page.mark;
    part("title").textContent = page.title;
    write(part("text"), page.text);
    write(part("lead"), page.lead);
    part("command").hidden = !page.command;
    part("command").firstChild.textContent = page.command ?? "";
    write(part("last"), page.last);
  };
  const nobody = {
    mark: "careful",
    title: "This sign-in is over",
    text: "It took too long or was cancelled, so imgurd did not use the answer.",
    lead: "To start again:",
    command: main.dataset.login,
  };
  fetch(here, { method: "POST", body: answer, cache: "no-store", credentials: "omit", redirect: "error" })
    .then((response) => response.json())
    .catch(() => nobody)
    .then(show);
}
