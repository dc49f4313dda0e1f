"""What makes a run worthless, and ends it: no figure is better than a wrong one."""


class BenchError(Exception):
    """A run that cannot be measured, or whose figures would mislead. The message says why."""


class NotHereError(Exception):
    """A measurement that this machine or this server does not allow; the others go on."""
