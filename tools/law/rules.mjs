// The import law. A layer may import itself and the layers below it, each through its door.
//
//   base < isa < chips < hw < host < kvm, tcg < vmm < ui

/** Layers from the bottom; two names in one row may not see each other. */
export const LAYERS = [["base"], ["isa"], ["chips"], ["hw"], ["host"], ["kvm", "tcg"], ["vmm"], ["ui"]];

/** The files another layer may import. Every file of `base` is a door: it holds small leaf files. */
const DOORS = "^src/[^/]+/(index|public|uapi)\\.ts$";

/**
 * Debt: imports that break the law and have not been mended yet, as "from -> to". An entry that no longer
 * matches anything fails the check, so that the list only shrinks.
 */
export const DEBT = [];

function layerRules() {
  return LAYERS.flatMap((row, height) =>
    row.map((name) => {
      const below = LAYERS.slice(0, height).flat();
      return {
        name: `${name}-imports-downwards`,
        severity: "error",
        from: { path: `^src/${name}/` },
        to: { path: "^src/", pathNot: `^src/(${[name, ...below].join("|")})/` },
      };
    }),
  );
}

function strangers(name, from, to) {
  return { name, severity: "error", from: { path: from }, to: { path: to } };
}

/** The rule set in dependency-cruiser's form. */
export const RULES = {
  forbidden: [
    ...layerRules(),
    {
      name: "through-the-door",
      severity: "error",
      // A unit test may look at a lower layer's parts.
      from: { path: "^src/([^/]+)/", pathNot: "\\.test\\.tsx?$" },
      to: { path: "^src/[^/]+/", pathNot: ["^src/$1/", "^src/base/", DOORS] },
    },
    {
      name: "outside-through-the-door",
      severity: "error",
      from: { path: "^(workers|bin|labs|bench)/", pathNot: "\\.test\\.tsx?$" },
      to: { path: "^src/[^/]+/", pathNot: ["^src/(base|ui)/", DOORS] },
    },
    strangers("vmx-is-not-svm", "^src/(hw|kvm)/vmx/", "^src/(hw|kvm)/svm/"),
    strangers("svm-is-not-vmx", "^src/(hw|kvm)/svm/", "^src/(hw|kvm)/vmx/"),
    // The machine sees one accel interface, whichever of kvm and tcg is behind it.
    strangers("vmm-sees-no-silicon", "^src/vmm/", "^src/hw/"),
    strangers("sources-import-no-tools", "^src/", "^(tools|e2e|bench|bin)/"),
  ],
};
