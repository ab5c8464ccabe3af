// A link to an action's page opens that page's content in the dialog; its form is posted as it would be from the page.
(() => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-dialog]");
    const dialog = document.getElementById("dialog");
    if (!link || !dialog || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    htmx.ajax("GET", link.href, { target: "#dialog", swap: "innerHTML ignoreTitle:true" });
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const dialog = event.detail.ctx?.target;
    if (dialog?.id !== "dialog" || !dialog.firstElementChild) return;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus], input:not([type=hidden]), textarea, button")?.focus();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-close]")) { const open = event.target.closest("dialog"); if (open) { event.preventDefault(); open.close(); } }
    if (event.target.id === "dialog") event.target.close(); // the backdrop
  });
})();
