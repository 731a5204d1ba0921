/**
 * Completion scripts. All the knowledge is in `duolog __complete`, which is given the words up to the cursor and prints one candidate per line, a tab and
 * a description after it, or the line `:files`; so that a new option needs no new script.
 */

const bash = `# bash completion for duolog. Load it with: source <(duolog completion bash)
_duolog() {
  local cursor=\${COMP_WORDS[COMP_CWORD]} line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      local IFS=$'\\n'
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "$cursor"))
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _duolog duolog
`;

const zsh = `#compdef duolog
# zsh completion for duolog. Load it with: source <(duolog completion zsh)
_duolog() {
  local line word
  local -a candidates
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
    elif [[ -n $line ]]; then
      word=\${line%%$'\\t'*}
      candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( \${#candidates} )) && _describe duolog candidates
}
if [[ \${funcstack[1]} == _duolog ]]; then
  _duolog "$@"
else
  compdef _duolog duolog
fi
`;

const fish = `# fish completion for duolog. Load it with: duolog completion fish | source
function __duolog_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ":files"
      __fish_complete_path (commandline -ct)
    else
      printf '%s\\n' $line
    end
  end
end
complete -c duolog -f -a '(__duolog_complete)'
`;

/** The scripts by the names of their shells. */
export const COMPLETION_SCRIPTS = { bash, zsh, fish } as const;
/** A shell that has a script. */
export type Shell = keyof typeof COMPLETION_SCRIPTS;
