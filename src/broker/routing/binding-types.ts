import type { BindingList, BindingVisitor, BoundBinding } from './bound-binding.js';
import type { HeaderValues } from './header-values.js';

/** The bindings of one exchange, kept so that those which a message matches are found fast. */
export interface BindingTable {
  add(bound: BoundBinding): void;
  /** `bound` has been added. */
  remove(bound: BoundBinding): void;
  /** Hands the matching bindings to `visitor`. `headers` gives the message's headers; only a headers exchange asks for them. */
  match(routingKey: string, headers: HeaderSource, visitor: BindingVisitor): void;
  /**
   * Where one look finds all bindings that match: their list, or undefined when none do. Such a list keeps its route itself, which no number of
   * different keys can drive out. Absent where matching takes more than a look.
   */
  only?(routingKey: string): BindingList | undefined;
}

/** The headers of the message that is routed: decoded when first asked for. */
export interface HeaderSource {
  values(): HeaderValues;
}
