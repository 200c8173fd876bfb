/** The console's own drawings, on a grid of 16. They say nothing to a screen reader: the button's text does. */

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export function PowerIcon() {
  return (
    <Icon>
      <path d="M8 2v6M4.8 3.9a5.2 5.2 0 1 0 6.4 0" />
    </Icon>
  );
}

export function HoldIcon() {
  return (
    <Icon>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.5V8l2.3 1.6" />
    </Icon>
  );
}

export function ResetIcon() {
  return (
    <Icon>
      <path d="M13 8a5 5 0 1 1-1.6-3.7L13 5.8M13 2.4v3.4H9.6" />
    </Icon>
  );
}

export function KeysIcon() {
  return (
    <Icon>
      <rect x="1.5" y="4" width="13" height="8" rx="1.5" />
      <path d="M4 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M12 6.7h.01M5 9.5h6" />
    </Icon>
  );
}

export function CameraIcon() {
  return (
    <Icon>
      <path d="M2 5h2.6l1-1.7h4.8l1 1.7H14v8H2z" />
      <circle cx="8" cy="8.8" r="2.3" />
    </Icon>
  );
}

export function LeaveIcon() {
  return (
    <Icon>
      <path d="M6.5 2.5h-4v11h4M6.5 8h7M10.5 5l3 3-3 3" />
    </Icon>
  );
}

export function CloseIcon() {
  return (
    <Icon>
      <path d="M3.5 3.5l9 9M12.5 3.5l-9 9" />
    </Icon>
  );
}

export function ScreenIcon() {
  return (
    <Icon>
      <rect x="1.5" y="2.5" width="13" height="8.5" rx="1" />
      <path d="M5.5 13.5h5M8 11v2.5" />
    </Icon>
  );
}

export function MouseIcon() {
  return (
    <Icon>
      <rect x="4" y="1.5" width="8" height="13" rx="4" />
      <path d="M8 4.2v2.4" />
    </Icon>
  );
}

export function LinesIcon() {
  return (
    <Icon>
      <path d="M2.5 3.5v-1h11v1M8 2.5v11M6 13.5h4" />
    </Icon>
  );
}

export function DriveIcon() {
  return (
    <Icon>
      <rect x="1.5" y="8.5" width="13" height="5" rx="1" />
      <path d="M2 8.5l2-6h8l2 6M11.7 11h.01" />
    </Icon>
  );
}

export function ChipIcon() {
  return (
    <Icon>
      <rect x="4" y="4" width="8" height="8" rx="1" />
      <path d="M6 1.5V4M10 1.5V4M6 12v2.5M10 12v2.5M1.5 6H4M1.5 10H4M12 6h2.5M12 10h2.5" />
    </Icon>
  );
}

export function SplitIcon() {
  return (
    <Icon>
      <path d="M8 1.5v5M8 6.5H3v4M8 6.5h5v4M8 6.5v4" />
      <path d="M1.5 10.5h3v3h-3zM6.5 10.5h3v3h-3zM11.5 10.5h3v3h-3z" />
    </Icon>
  );
}

export function GaugeIcon() {
  return (
    <Icon>
      <path d="M2.6 12.5a6.5 6.5 0 1 1 10.8 0M8 9.5l2.8-3.6" />
      <circle cx="8" cy="9.7" r="0.9" />
    </Icon>
  );
}

/** The sign of the house: a hand's reach across a gap, between two machines. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-ground" width="32" height="32" rx="7" />
      <path class="mark-line" d="M7 22V10h9M7 16h7" />
      <path class="mark-line" d="M25 10v12" />
      <circle class="mark-dot" cx="19.5" cy="16" r="2" />
    </svg>
  );
}
