"""A cluster of rtpengine instances behind the face of ``MediaEngine``, driven by their control protocol NG."""
