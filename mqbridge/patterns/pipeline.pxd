from mqbridge.patterns.fair_queue cimport FairQueue
from mqbridge.patterns.load_balancer cimport LoadBalancer
from mqbridge.patterns.pattern cimport Pattern


cdef class Push(Pattern):
    cdef LoadBalancer _out


cdef class Pull(Pattern):
    cdef FairQueue _in
