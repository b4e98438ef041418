declare module "*.txt" {
  const text: string;
  export default text;
}

declare module "*.wgsl" {
  const source: string;
  export default source;
}
