//! System registers (ARM ARM D13) and system instructions (C5.3 to C5.5).
