#include "textflag.h"

// ROWS has for each high nibble the bit that stands for it in a vectorClass, and
// none for those of bytes that are not ASCII.
DATA rows<>+0(SB)/8, $0x8040201008040201
DATA rows<>+8(SB)/8, $0
DATA rows<>+16(SB)/8, $0x8040201008040201
DATA rows<>+24(SB)/8, $0
GLOBL rows<>(SB), RODATA|NOPTR, $32

DATA nibble<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibble<>(SB), RODATA|NOPTR, $8

// func vectorRun(s string, class *vectorClass) int
TEXT ·vectorRun(SB), NOSPLIT, $0-32
	MOVQ         s_base+0(FP), SI
	MOVQ         s_len+8(FP), DX
	MOVQ         class+16(FP), AX
	XORQ         BX, BX
	SUBQ         $32, DX
	JLT          done
	VMOVDQU      (AX), Y0
	VMOVDQU      rows<>(SB), Y1
	VPBROADCASTQ nibble<>(SB), Y2
	VPXOR        Y3, Y3, Y3
loop:
	VMOVDQU   (SI)(BX*1), Y4
	VPSHUFB   Y4, Y0, Y5     // by low nibble: the rows in which it is of the class
	VPSRLW    $4, Y4, Y4
	VPAND     Y2, Y4, Y4
	VPSHUFB   Y4, Y1, Y4     // by high nibble: its row
	VPAND     Y4, Y5, Y4
	VPCMPEQB  Y3, Y4, Y4     // where the two do not meet
	VPMOVMSKB Y4, CX
	TESTL     CX, CX
	JNZ       stop
	ADDQ      $32, BX
	CMPQ      BX, DX
	JLE       loop
	JMP       end
stop:
	BSFL CX, CX
	ADDQ CX, BX
end:
	VZEROUPPER
done:
	MOVQ BX, ret+24(FP)
	RET
