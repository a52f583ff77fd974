// Names with flavours: `task_struct___old` stands for the kernel's `task_struct`. Everything from the last triple underscore on is
// ignored, where that is followed and preceded by something that is no underscore.

/** The name without its flavour. */
export function essentialName(name: string): string {
  for (let i = name.length - 5; i >= 0; i--) {
    if (name[i] !== '_' && name.startsWith('___', i + 1) && name[i + 4] !== '_') return name.slice(0, i + 1)
  }
  return name
}

export const sameEssentialName = (a: string, b: string): boolean => essentialName(a) === essentialName(b)
