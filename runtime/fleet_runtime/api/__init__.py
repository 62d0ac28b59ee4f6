"""Everything under ``/api``, with ``/health``, ``/ready`` and ``/metrics``."""
