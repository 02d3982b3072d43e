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
export const SignOutIcon = () => <Icon><path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M16 16l4-4-4-4M20 12H10" /></Icon>;
export const SendIcon = () => <Icon><path d="M4 12l16-8-6 16-3-7z" fill="currentColor" /></Icon>;
export const DownIcon = () => <Icon><path d="M6 9l6 6 6-6" /></Icon>;
export const MoreIcon = () => <Icon size={18}><path d="M12 5.500v.1M12 12v.1M12 18.500v.1" stroke-width="3" /></Icon>;
export const GroupIcon = () => <Icon><path d="M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-3.600 2.900-6 6.500-6s6.500 2.400 6.500 6M16 4.500a3.200 3.200 0 0 1 0 6.200M18 14.500c2.200.8 3.500 2.800 3.500 5.500" /></Icon>;
export const StarIcon = () => <Icon><path d="M12 3.500l2.600 5.400 5.900.8-4.300 4.100 1.100 5.900-5.300-2.900-5.300 2.900 1.100-5.900L3.500 9.700l5.900-.8z" /></Icon>;
export const SettingsIcon = () => <Icon><path d="M4 7h10M18 7h2M4 17h2M10 17h10" /><circle cx="16" cy="7" r="2" /><circle cx="8" cy="17" r="2" /></Icon>;
export const SearchIcon = () => <Icon size={20}><circle cx="11" cy="11" r="6.5" /><path d="M16 16l4.500 4.500" /></Icon>;
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
