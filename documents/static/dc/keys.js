// A security key or passkey is asked at the press of a button; what it signs is sent with the form around the button.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("[data-key]")) {
    const form = box.closest("form");
    const [button, answer, said] = ["button", "input", "[role=status]"].map((part) => box.querySelector(part));
    const say = (why) => {
      said.textContent = box.dataset[why];
      said.classList.toggle("dc-error", why !== "waiting");
    };
    if (!webauthnJSON.supported()) {
      say("missing");
      continue;
    }
    button.hidden = false;
    for (const field of form.querySelectorAll("[data-or-key]")) field.required = false;
    button.addEventListener("click", async () => {
      if (!form.reportValidity()) return;
      button.disabled = true;
      say("waiting");
      try {
        answer.value = JSON.stringify(await webauthnJSON[box.dataset.key](JSON.parse(box.dataset.options)));
        form.submit();
      } catch (error) {
        button.disabled = false;
        say({ InvalidStateError: "known", SecurityError: "place" }[error.name] ?? "cancelled");
      }
    });
  }
});
