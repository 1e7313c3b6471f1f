"""The strategy `gevent`, in a process of its own."""
