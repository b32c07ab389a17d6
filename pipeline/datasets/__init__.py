"""Images and labels: which files there are, whether they are sound, and how they reach the network.

``entries`` lists a split's files, ``index_split`` looks at every one and writes a ``Manifest``, and ``SplitImages`` and
``SplitLabels`` read what a manifest names. Labels have a class of their own: only who constructs it sees them.
"""
