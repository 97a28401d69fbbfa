// The clipboard of the browser.

/** Put text on it, also where the page is no secure context. @return whether it is there */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    const focused = document.activeElement;
    field.value = text;
    field.className = 'hidden';
    /* beside the open dialog nothing can be selected */
    (focused?.closest('dialog') ?? document.body).append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}
