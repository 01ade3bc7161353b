"""flox's liquidation engine against a plain replica of its rules, and against delever."""
