"""The one exception of the lab: its text is meant for the person who typed the command."""


class LabError(Exception):
    pass
