// bpfsim run: an attach script, a BPF object or an example, on a kernel where something happens.

import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { UserError } from '../../base/errors.ts'
import { wallClock } from '../../user-space/host/node.ts'
import { VerifierError } from '../../user-space/loader/errors.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { type OutputRecord, toJson, toText } from '../../user-space/output.ts'
import { Replay } from '../../user-space/replay/replay.ts'
import { readStrace } from '../../user-space/replay/strace/read.ts'
import { withRunFlags } from '../../user-space/run-flags.ts'
import { runObject } from '../../user-space/runner.ts'
import { type BootOptions, boot, type Session } from '../../user-space/session.ts'
import { suggest } from '../../user-space/suggest.ts'
import { assignment, duration, factor, whole } from '../arguments.ts'
import { examples } from '../examples.ts'
import { chunksOf, isElf, readFile } from '../files.ts'
import { addKernelOptions, bootKernel, type KernelFlags } from '../kernel-options.ts'
import { LOG_LEVELS, type LogLevel, lazyLogger } from '../log.ts'
import { print, printError, printRefused } from '../output.ts'
import { Progress } from '../progress.ts'
import { isScript, runScript } from '../script-loader.ts'

interface Flags extends KernelFlags {
  readonly workload?: string
  readonly replay?: string
  readonly strict?: true
  readonly for?: number
  readonly seed?: number
  readonly cpus?: number
  readonly set?: ReadonlyMap<string, string>
  readonly pace?: number
  readonly format: 'text' | 'json'
  readonly eventType?: string
  readonly log: LogLevel
}

/** What nobody stops by --for ends here. */
const LONGEST_NS = 10e9
const INTERRUPTED = 130

export function addRun(root: Command): void {
  const command = root
    .command('run')
    .description('run an example, a BPF object or an attach script on the simulated kernel')
    .argument('<target>', 'an existing file (.bpf.o, .ts), else the name of an example')
    .option('--workload <name>', 'what happens on the machine (bpfsim list workloads); default shell')
    .option('--replay <file>', 'what happens: the processes of an strace -f -ttt -T -y -yy log, plain or gzipped')
    .option('--strict', 'stop at a line of the recording that cannot be read, instead of counting it')
    .option('--for <time>', 'virtual time to run: 2s, 500ms; default to the end, at most 10s', duration)
    .option('--seed <n>', 'the same seed gives the same run; default 1', whole('--seed', 0, 0xffffffff))
    .option('--cpus <n>', 'default 2', whole('--cpus', 1, 64))
    .option('--set <name=value>', 'a global variable of the object, before it is loaded; repeatable', assignment)
    .option('--pace <speed>', 'keep to the wall clock: 1 is its speed', factor)
    .option('--event-type <name>', 'the struct of the records of ring and perf buffers, where the object does not say')
    .addOption(
      new Option('--log <level>', 'what the simulator says of itself, on standard error')
        .choices(LOG_LEVELS)
        .default('warn'),
    )
    .addOption(new Option('-f, --format <format>', 'how records are printed').choices(['text', 'json']).default('text'))
  addKernelOptions(command).action(async (target: string, flags: Flags) => {
    const sessions: Session[] = []
    let interrupted = false
    const interrupt = (): void => {
      // A script that asks no session for time does not notice: the second one ends it.
      if (interrupted) process.exit(INTERRUPTED)
      interrupted = true
      for (const session of sessions) session.stop()
    }
    process.on('SIGINT', interrupt)
    const progress = new Progress(flags.for ?? LONGEST_NS)
    try {
      const replay = await replayOf(flags)
      await runTarget(target, flags, bootOptions(flags, replay, progress), (session) => sessions.push(session))
      progress.clear()
      if (replay) reportReplay(replay)
    } catch (error) {
      progress.clear()
      if (!(error instanceof VerifierError)) throw error
      printRefused(error.message, error.log)
      // What did not come as far as the verifier, an unknown section or target, is bad input.
      process.exitCode = error.log === '' ? 2 : 1
    } finally {
      process.off('SIGINT', interrupt)
    }
    if (interrupted) process.exitCode = INTERRUPTED
  })
}

async function replayOf({ replay: file, strict, workload }: Flags): Promise<Replay | undefined> {
  if (file === undefined) return undefined
  if (workload !== undefined) throw new UserError('--workload and --replay: only one of them can happen')
  return new Replay(await readStrace(chunksOf(file), file, { strict: strict === true }))
}

function bootOptions(flags: Flags, replay: Replay | undefined, progress: Progress): BootOptions {
  const keepPace = flags.pace === undefined ? undefined : wallClock(flags.pace)
  return {
    workload: replay ?? flags.workload ?? 'shell',
    forNs: flags.for ?? LONGEST_NS,
    log: lazyLogger(flags.log),
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(flags.cpus !== undefined && { cpus: flags.cpus }),
    ...bootKernel(flags),
    pace: (virtualNs) => {
      progress.show(virtualNs)
      return keepPace?.(virtualNs)
    },
  }
}

/** Only what the person asked for is laid over what a script passes to boot(). */
function laidOver(options: BootOptions, flags: Flags): BootOptions {
  const { workload, forNs, ...rest } = options
  return {
    ...rest,
    ...((flags.replay ?? flags.workload) !== undefined && workload !== undefined && { workload }),
    ...(flags.for !== undefined && forNs !== undefined && { forNs }),
  }
}

async function runTarget(
  target: string,
  flags: Flags,
  options: BootOptions,
  onBoot: (session: Session) => void,
): Promise<void> {
  const script = scriptOf(target)
  if (script !== undefined) {
    const set = flags.set ? { set: flags.set } : {}
    await withRunFlags({ options: laidOver(options, flags), onBoot, ...set }, () => runScript(script))
    return
  }
  const bytes = readFile(target)
  if (!isElf(bytes)) throw new UserError(`${target}: neither a BPF object (ELF) nor an attach script (.ts)`)
  const spec = readObjectBytes(bytes, target)
  using session = boot(options)
  onBoot(session)
  const { object, records } = runObject(session, spec, {
    ...(flags.set && { set: flags.set }),
    ...(flags.eventType !== undefined && { eventType: flags.eventType }),
    onRefused: ({ message, log }) => printRefused(message, log),
  })
  if (object.refused.length > 0) process.exitCode = 1
  for await (const record of records) show(record, flags.format, object.maps)
}

function show(record: OutputRecord, format: Flags['format'], maps: Parameters<typeof toText>[1]): void {
  if (format === 'json') print(toJson(record))
  else if (record.type === 'summary') printError(toText(record, maps))
  else print(toText(record, maps))
}

/** The script to run, or undefined when the target is a file of another kind. */
function scriptOf(target: string): string | undefined {
  if (existsSync(target)) return isScript(target) ? target : undefined
  const all = examples()
  const found = all.find(({ name }) => name === target)
  if (found) return found.file
  if (/[./]/.test(target)) throw new UserError(`cannot read ${target}: no such file`)
  throw new UserError(
    `no file and no example '${target}'${suggest(
      target,
      all.map(({ name }) => name),
    )}; bpfsim list examples`,
  )
}

function reportReplay({ report, name }: Replay): void {
  const { syscalls, diverged, bySyscall, skippedLines } = report
  const worst = [...bySyscall].sort((a, b) => b[1] - a[1]).map(([call, count]) => `${call} ${count}`)
  const skipped = skippedLines > 0 ? `, ${skippedLines} lines could not be read` : ''
  printError(
    `${name}: ${syscalls} calls replayed, ${diverged} diverged${worst.length > 0 ? ` (${worst.join(', ')})` : ''}${skipped}`,
  )
}
