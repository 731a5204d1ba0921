import type { BindingTable, HeaderSource } from './binding-types.js';
import { addToList, BindingList, type BindingVisitor, type BoundBinding, removeFromList } from './bound-binding.js';
import { KeyTable } from './key-table.js';

/** A word of a pattern, and with the nodes above it the beginning of some patterns. */
class TrieNode {
  readonly parent: TrieNode | undefined;
  readonly word: string;
  /** Whether the word is `#`: then the node stays in the walk whatever word comes. */
  readonly matchesRest: boolean;
  /** The one next word that is no wildcard: most nodes have no more, and a map for each took most of the time at 100,000 bindings. */
  sole: TrieNode | undefined;
  /** Next words that are no wildcards, from the second on. */
  words: Map<string, TrieNode> | undefined;
  /** The next word is `*`. */
  one: TrieNode | undefined;
  /** The next word is `#`. */
  rest: TrieNode | undefined;
  /** Bindings whose pattern ends here. */
  bindings: BindingList | undefined;
  /** The last step that put the node into its set. */
  step = 0;

  constructor(parent: TrieNode | undefined, word: string) {
    this.parent = parent;
    this.word = word;
    this.matchesRest = word === '#';
  }

  get isEmpty(): boolean {
    return (
      this.bindings === undefined &&
      this.one === undefined &&
      this.rest === undefined &&
      this.sole === undefined &&
      this.words === undefined
    );
  }

  /** The node of a next word that is no wildcard. */
  named(word: string): TrieNode | undefined {
    const { sole } = this;
    if (sole !== undefined && sole.word === word) return sole;
    return this.words?.get(word);
  }
}

/**
 * Type topic, AMQP 0-9-1 §3.1.3.3: words between dots, `*` stands for one word, `#` for none or more. The key's words move a set of nodes
 * through the trie, so that no pattern, however many `#` it has, makes a match take more than words times nodes; what other bindings there
 * are does not matter. An empty key has no words, as in RabbitMQ: `*` does not match it, `#` does.
 */
export class TopicTrie implements BindingTable {
  /** Bindings without wildcards by their whole key: one look instead of one a word. The trie holds the others. */
  private readonly literal = new KeyTable<BindingList>();
  private readonly root = new TrieNode(undefined, '');
  private current: TrieNode[] = [];
  private next: TrieNode[] = [];
  private step = 0;

  add(bound: BoundBinding): void {
    const { routingKey } = bound.binding;
    if (hasWildcard(routingKey)) this.addPattern(bound);
    else addToList(this.literal, routingKey, bound);
  }

  private addPattern(bound: BoundBinding): void {
    let node = this.root;
    for (const word of wordsOf(bound.binding.routingKey)) node = child(node, word) ?? addChild(node, word);
    node.bindings ??= new BindingList();
    node.bindings.add(bound);
  }

  remove(bound: BoundBinding): void {
    const { routingKey } = bound.binding;
    if (hasWildcard(routingKey)) this.removePattern(bound);
    else removeFromList(this.literal, routingKey, bound);
  }

  private removePattern(bound: BoundBinding): void {
    let node = this.root;
    for (const word of wordsOf(bound.binding.routingKey)) {
      const below = child(node, word);
      if (below === undefined) return;
      node = below;
    }
    node.bindings?.remove(bound);
    if (node.bindings?.isEmpty) node.bindings = undefined;
    for (let empty = node; empty.parent !== undefined && empty.isEmpty; empty = empty.parent) {
      removeChild(empty.parent, empty.word);
    }
  }

  match(routingKey: string, _headers: HeaderSource, visitor: BindingVisitor): void {
    this.literal.get(routingKey)?.visit(visitor);
    if (this.root.isEmpty) return;
    this.next.length = 0;
    this.step++;
    this.enter(this.root);
    this.swap();
    if (routingKey !== '') this.walk(routingKey);
    for (const node of this.current) node.bindings?.visit(visitor);
  }

  private walk(routingKey: string): void {
    let start = 0;
    while (this.current.length > 0) {
      const dot = routingKey.indexOf('.', start);
      const word = routingKey.slice(start, dot < 0 ? routingKey.length : dot);
      this.step++;
      for (const node of this.current) this.move(node, word);
      this.swap();
      if (dot < 0) return;
      start = dot + 1;
    }
  }

  private move(node: TrieNode, word: string): void {
    const named = node.named(word);
    if (named !== undefined) this.enter(named);
    if (node.one !== undefined) this.enter(node.one);
    if (node.matchesRest) this.enter(node);
  }

  /** Puts the node into the next set, and with it what `#` for no word leads to. */
  private enter(node: TrieNode): void {
    for (let at: TrieNode | undefined = node; at !== undefined && at.step !== this.step; at = at.rest) {
      at.step = this.step;
      this.next.push(at);
    }
  }

  private swap(): void {
    const { current } = this;
    this.current = this.next;
    this.next = current;
    current.length = 0;
  }
}

/** Whether `*` or `#` may stand for a word; a key in which they are parts of words only is sorted out by the trie. */
function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('#');
}

function wordsOf(pattern: string): readonly string[] {
  return pattern === '' ? [] : pattern.split('.');
}

function child(node: TrieNode, word: string): TrieNode | undefined {
  if (word === '*') return node.one;
  return word === '#' ? node.rest : node.named(word);
}

function addChild(node: TrieNode, word: string): TrieNode {
  const added = new TrieNode(node, word);
  if (word === '*') node.one = added;
  else if (word === '#') node.rest = added;
  else if (node.sole === undefined) node.sole = added;
  else {
    node.words ??= new Map();
    node.words.set(word, added);
  }
  return added;
}

function removeChild(node: TrieNode, word: string): void {
  if (word === '*') node.one = undefined;
  else if (word === '#') node.rest = undefined;
  else if (node.sole?.word === word) node.sole = undefined;
  else {
    node.words?.delete(word);
    if (node.words?.size === 0) node.words = undefined;
  }
}
