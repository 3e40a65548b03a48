# What an operator runs after the first apply.

locals {
  # A key goes from the shell's own `read` through its own `printf` into a pipe: it is in no argument,
  # no environment, no file and no history.
  asks   = join("", [for i, name in var.names : "IFS= read -rsp \"Stream key of ${name}: \" k${i} && echo >&2 && "])
  fields = join(",", [for name in var.names : "\\\"${name}\\\":\\\"%s\\\""])
  keys   = join(" ", [for i, name in var.names : "\"$k${i}\""])
}
