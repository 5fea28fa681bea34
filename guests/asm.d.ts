/** An assembly source as text: Vite's `?raw`; esbuild's loader `text`. */
declare module "*.asm?raw" {
  const source: string;
  export default source;
}
