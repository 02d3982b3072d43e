import { decode, isBlurhashValid } from "blurhash";
import { useLayoutEffect, useRef } from "preact/hooks";

/** The pixels of a blurred picture: more would not show. */
const SIDE = 32;

/** What a picture looks like from afar, until it is there. */
export function Blur({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (!isBlurhashValid(hash).result) return;
    const context = canvas.current!.getContext("2d")!;
    const image = context.createImageData(SIDE, SIDE);
    image.data.set(decode(hash, SIDE, SIDE));
    context.putImageData(image, 0, 0);
  }, [hash]);
  return <canvas ref={canvas} class="blur" data-testid="blur" width={SIDE} height={SIDE} aria-hidden="true" />;
}
