// The selection in the text of a message (`.prose`), which outlives the parts that it is in.

// Where a point of the selection is in the text of an element.
function offsetIn(element, node, offset) {
  const range = document.createRange();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

function pointAt(element, offset) {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = offset;
  let text = texts.nextNode();
  for (let next = texts.nextNode(); text && left > text.length && next; next = texts.nextNode()) {
    left -= text.length;
    text = next;
  }
  return text ? [text, Math.min(left, text.length)] : [element, 0];
}

// The selection in the text of one message. The function restores it where an update has taken it away.
export function keepSelection() {
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  // Not `isCollapsed`, for which Chromium lays the page out.
  const isCollapsed = anchorNode === focusNode && anchorOffset === focusOffset;
  const prose = isCollapsed ? null : (anchorNode.closest?.('.prose') ?? anchorNode.parentElement?.closest('.prose'));
  if (!prose?.contains(focusNode)) return () => {};
  const words = selection.toString();
  const from = offsetIn(prose, anchorNode, anchorOffset);
  const to = offsetIn(prose, focusNode, focusOffset);
  return () => {
    const place = document.getElementById(prose.id);
    if (place && selection.toString() !== words)
      selection.setBaseAndExtent(...pointAt(place, from), ...pointAt(place, to));
  };
}
