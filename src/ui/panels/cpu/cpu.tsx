import { memo } from "react";
import type { Observation } from "../../../vmm/index.ts";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { hex64 } from "../../format.ts";
import { showCpu, usePage } from "../../store.ts";
import style from "./cpu.module.css";

const names = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const flags = [["CF", 0n], ["PF", 2n], ["AF", 4n], ["ZF", 6n], ["SF", 7n], ["TF", 8n], ["IF", 9n], ["DF", 10n], ["OF", 11n]] as const;

/** Would a conditional jump be taken with these flags? undefined for anything else. */
export function jumps(text: string, rflags: bigint): boolean | undefined {
  const on = (bit: bigint) => ((rflags >> bit) & 1n) === 1n;
  const [cf, pf, zf, sf, of] = [on(0n), on(2n), on(6n), on(7n), on(11n)];
  const answers: Readonly<Record<string, boolean>> = {
    jo: of, jno: !of, jc: cf, jb: cf, jnae: cf, jae: !cf, jnb: !cf, jnc: !cf, jz: zf, je: zf, jnz: !zf, jne: !zf,
    jbe: cf || zf, jna: cf || zf, ja: !cf && !zf, jnbe: !cf && !zf, js: sf, jns: !sf, jp: pf, jpe: pf, jnp: !pf, jpo: !pf,
    jl: sf !== of, jnge: sf !== of, jge: sf === of, jnl: sf === of, jle: zf || sf !== of, jng: zf || sf !== of,
    jg: !zf && sf === of, jnle: !zf && sf === of,
  };
  const word = text.split(" ")[0] ?? "";
  return Object.hasOwn(answers, word) ? answers[word] : undefined;
}

const Registers = memo(function Registers({ seen }: { seen: Observation }) {
  const { regs, sregs } = seen;
  return (
    <div>
      <dl className={style.registers} data-testid="registers">
        {names.map((n) => <div key={n}><dt>{n}</dt><dd data-testid={`reg-${n}`}>{hex64(regs[n])}</dd></div>)}
        <div><dt>rip</dt><dd className={style.rip} data-testid="reg-rip">{hex64(regs.rip)}</dd></div>
        <div><dt>cr3</dt><dd data-testid="reg-cr3">{hex64(sregs.cr3)}</dd></div>
        <div><dt>cr0</dt><dd>{hex64(sregs.cr0)}</dd></div>
        <div><dt>cr2</dt><dd>{hex64(sregs.cr2)}</dd></div>
      </dl>
      <ul className={style.flags} aria-label="RFLAGS">
        {flags.map(([name, bit]) => {
          const set = ((regs.rflags >> bit) & 1n) === 1n;
          return <li key={name} className={set ? style.set : undefined} aria-label={`${name} ${set ? 1 : 0}`}>{set ? name : name.toLowerCase()}</li>;
        })}
        <li>iopl={String((regs.rflags >> 12n) & 3n)}</li>
      </ul>
    </div>
  );
});

/** Registers, and the code they are about to run. */
export function CpuPanel() {
  return (
    <Exhibit number="4" title="Processor" area="cpu" source="Registers between two slices; code read through the page tables"
      says="General registers, flags by name (capitals are set), and the next instructions at RIP.">
      <Cpu />
    </Exhibit>
  );
}

const wants = { code: true };

/** Which of several processors is shown. */
function Processors({ shown, count }: { shown: number; count: number }) {
  if (count === 1) return null;
  return (
    <fieldset className={style.processors} data-testid="processors">
      <legend className={style.legend}>Processor</legend>
      {[...Array(count).keys()].map((cpu) => (
        <label key={cpu}>
          <input type="radio" name="processor" value={cpu} checked={cpu === shown} onChange={() => showCpu(cpu)} />
          <span>CPU {cpu}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Cpu() {
  const seen = usePage((s) => s.seen);
  useWant(wants);
  if (!seen) return <p className={style.empty}>No guest yet.</p>;
  return (
      <>
        <Processors shown={seen.cpu} count={seen.cpuCount} />
        <div className={style.split}>
          <Registers seen={seen} />
          <ol className={style.code} data-testid="code">
            {seen.code.map((line, i) => {
              const taken = i === 0 ? jumps(line.text, seen.regs.rflags) : undefined;
              return (
                <li key={`${line.address}`} aria-current={i === 0 ? "step" : undefined}>
                  <span className={style.address}>{line.address.toString(16)}</span>
                  <span>{line.text}</span>
                  {taken !== undefined && <em>{taken ? "taken" : "not taken"}</em>}
                </li>
              );
            })}
          </ol>
        </div>
      </>
  );
}
