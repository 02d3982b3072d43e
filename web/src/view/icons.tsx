// Drawn here, so that the page asks nobody else for pictures. All are decoration: their buttons carry the names.
import type { ComponentChildren } from "preact";

function Icon({ children, size = 24 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const BackIcon = () => <Icon><path d="M19 12H5M12 19l-7-7 7-7" /></Icon>;
export const NewChatIcon = () => <Icon><path d="M20 12v6a2 2 0 0 1-2 2H6l-4 2V6a2 2 0 0 1 2-2h8M18 3v6M15 6h6" /></Icon>;
export const SendIcon = () => <Icon><path d="M4 12l16-8-6 16-3-7z" fill="currentColor" /></Icon>;
export const DownIcon = () => <Icon><path d="M6 9l6 6 6-6" /></Icon>;
export const MoreIcon = () => <Icon size={18}><path d="M12 5.500v.1M12 12v.1M12 18.500v.1" stroke-width="3" /></Icon>;
export const SearchIcon = () => <Icon size={20}><circle cx="11" cy="11" r="6.5" /><path d="M16 16l4.500 4.500" /></Icon>;
export const ServiceIcon = () => <Icon size={22}><rect x="4" y="8" width="16" height="11" rx="3" /><path d="M12 8V4M9 13v1M15 13v1M2 12v3M22 12v3" /></Icon>;
export const CloseIcon = () => <Icon><path d="M6 6l12 12M18 6L6 18" /></Icon>;

export function Logo() {
  return (
    <svg class="logo" width="72" height="72" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <rect width="64" height="64" rx="16" class="logo-ground" />
      <path d="M14 18c0-2 2-4 4-4h28c2 0 4 2 4 4v20c0 2-2 4-4 4H29L18 51v-9c-2 0-4-2-4-4z" fill="#fff" />
      <path d="M22 24l4.5 10L32 24.5 37.5 34 42 24" fill="none" class="logo-thread" stroke-width="3.6"
        stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
