// Icons of what has to do with files, drawn as those in icons.tsx are.
import type { ComponentChildren } from "preact";

function Icon({ children, size = 24 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const AttachIcon = () => <Icon><path d="M20 11.500l-8 8a5.300 5.300 0 0 1-7.500-7.500l8.500-8.500a3.500 3.500 0 0 1 5 5l-8.500 8.500a1.800 1.800 0 0 1-2.500-2.500l7.500-7.500" /></Icon>;
export const MicIcon = () => <Icon><path d="M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4" /></Icon>;
export const DownloadIcon = () => <Icon><path d="M12 4v11M7 11l5 5 5-5M5 20h14" /></Icon>;
export const FileIcon = () => <Icon size={32}><path d="M6 3h8l5 5v13H6zM14 3v5h5" /></Icon>;
export const PlayIcon = () => <Icon><path d="M8 5l11 7-11 7z" fill="currentColor" /></Icon>;
export const PauseIcon = () => <Icon><path d="M8 5v14M16 5v14" stroke-width="3.500" /></Icon>;
export const RetryIcon = () => <Icon><path d="M5 12a7 7 0 1 1 2.200 5.100M5 20v-4h4" /></Icon>;
export const LeftIcon = () => <Icon><path d="M15 5l-7 7 7 7" /></Icon>;
export const RightIcon = () => <Icon><path d="M9 5l7 7-7 7" /></Icon>;
