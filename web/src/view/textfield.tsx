import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useSession } from "./context";

interface Props {
  label: string;
  value: string;
  max: number;
  /** Absent where it is not ours to change. */
  save?: ((value: string) => Promise<unknown>) | false;
  required?: boolean;
  testid: string;
}

/** A line of text that is shown, and saved once it was changed. */
export function TextField({ label, value, max, save, required, testid }: Props) {
  const { actions } = useSession();
  const text = useSignal(value);
  useEffect(() => void (text.value = value), [value]);
  if (!save) {
    return value ? <p class="field"><span class="soft">{label}</span><span dir="auto">{value}</span></p> : null;
  }
  const trimmed = text.value.trim();
  const changed = trimmed !== value && (trimmed !== "" || !required);
  return (
    <form class="field" onSubmit={(e) => {
      e.preventDefault();
      if (changed) void actions.attempt(() => save(trimmed));
    }}>
      <label for={testid}>{label}</label>
      <div class="row">
        <input id={testid} data-testid={testid} maxLength={max} autocomplete="off" value={text.value} onInput={(e) => (text.value = e.currentTarget.value)} />
        <button class="primary" data-testid={`${testid}-save`} disabled={!changed}>Save</button>
      </div>
    </form>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, label: string])[];
  save: (value: string) => Promise<unknown>;
  disabled?: boolean;
  testid: string;
}

/** One of a few values. */
export function Choice({ label, value, options, save, disabled, testid }: ChoiceProps) {
  const { actions } = useSession();
  return (
    <p class="field">
      <label for={testid}>{label}</label>
      <select id={testid} data-testid={testid} disabled={disabled} value={value} onChange={(e) => {
        const select = e.currentTarget;
        const wanted = select.value;
        select.value = value; // it shows what is, which is what is wanted once the server has said so
        void actions.attempt(() => save(wanted));
      }}>
        {options.map(([v, l]) => <option key={v} value={v} selected={v === value}>{l}</option>)}
      </select>
    </p>
  );
}
