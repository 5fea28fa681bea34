import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useMemo, useRef, useState, type WheelEvent } from "react";
import { machine } from "../../store.ts";

/** Buttons of a PointerEvent (1 left, 2 right, 4 middle) are those of a PS/2 mouse. */
const BUTTONS = 7;

/** Handlers that hand keys and the mouse to the guest while the screen has the focus; Escape gives them back. */
export function useInput(canvas: RefObject<HTMLCanvasElement | null>) {
  const [focused, setFocused] = useState(false);
  const held = useRef(new Set<string>());
  // Moves of one animation frame are one.
  const motion = useRef({ dx: 0, dy: 0, wheel: 0, buttons: 0, due: false });

  const handlers = useMemo(() => {
    const key = (code: string, down: boolean): void => { machine.key(code, down).catch(() => {}); };
    const release = (): void => {
      for (const code of held.current) key(code, false);
      held.current.clear();
    };
    const send = (): void => {
      const m = motion.current;
      m.due = false;
      machine.pointer(Math.trunc(m.dx), Math.trunc(m.dy), m.wheel, m.buttons).catch(() => {});
      // Parts of a pixel of the guest's are kept for the next move.
      [m.dx, m.dy, m.wheel] = [m.dx % 1, m.dy % 1, 0];
    };
    const moved = (): void => {
      if (motion.current.due) return;
      motion.current.due = true;
      requestAnimationFrame(send);
    };
    const point = (e: PointerEvent): void => {
      const at = canvas.current;
      if (!at || document.activeElement !== at || e.pointerType === "touch") return;
      // The picture is scaled; the guest's mouse moves by its own pixels.
      const scale = at.width / Math.max(1, at.clientWidth);
      motion.current.dx += e.movementX * scale;
      motion.current.dy += e.movementY * scale;
      motion.current.buttons = e.buttons & BUTTONS;
      moved();
    };
    return {
      onKeyDown: (e: KeyboardEvent): void => {
        if (e.key === "Escape") {
          canvas.current?.blur();
          return;
        }
        if (isPage(e)) return;
        e.preventDefault();
        held.current.add(e.code);
        key(e.code, true);
      },
      onKeyUp: (e: KeyboardEvent): void => {
        if (!held.current.delete(e.code)) return;
        e.preventDefault();
        key(e.code, false);
      },
      onPointerMove: point,
      onPointerDown: point,
      onPointerUp: point,
      onContextMenu: (e: { preventDefault(): void }): void => {
        if (document.activeElement === canvas.current) e.preventDefault();
      },
      onWheel: (e: WheelEvent): void => {
        if (document.activeElement !== canvas.current) return;
        motion.current.wheel += Math.sign(e.deltaY);
        moved();
      },
      onFocus: (): void => { setFocused(true); },
      onBlur: (): void => {
        release();
        setFocused(false);
      },
    };
  }, [canvas]);

  // A wheel over a focused screen turns the guest's, not the page.
  useEffect(() => {
    const at = canvas.current;
    const hold = (e: Event): void => { if (document.activeElement === at) e.preventDefault(); };
    at?.addEventListener("wheel", hold, { passive: false });
    return () => { at?.removeEventListener("wheel", hold); };
  }, [canvas]);
  return { focused, handlers };
}

/** Keys that stay the page's: the way on, its own keys, its palette. */
const isPage = (e: KeyboardEvent): boolean => /^(Tab|F\d+)$/.test(e.key) || (e.ctrlKey && e.key === "k");
