#include "textflag.h"

// LOOKUP leaves in out the buckets that have bytes a and b, which stand at off
// and off+1 of each of the 32 places, in their fingerprints: (low nibble of a)
// & (high nibble of a) & the same of b. A shuffle takes the low four bits as
// its index and gives 0 where the highest is set, so bytes that are not ASCII,
// which no needle has, drop out by themselves.
#define LOOKUP(off, lowA, highA, lowB, highB, out) \
	VMOVDQU off(SI)(BX*1), Y8;      \
	VMOVDQU (off+1)(SI)(BX*1), Y9;  \
	VPSHUFB Y8, lowA, Y10;          \
	VPSHUFB Y9, lowB, Y11;          \
	VPSRLW  $4, Y8, Y8;             \
	VPSRLW  $4, Y9, Y9;             \
	VPAND   Y8, Y15, Y8;            \
	VPAND   Y9, Y15, Y9;            \
	VPSHUFB Y8, highA, Y8;          \
	VPSHUFB Y9, highB, Y9;          \
	VPAND   Y10, Y11, Y10;          \
	VPAND   Y8, Y9, Y8;             \
	VPAND   Y8, Y10, out

// func teddyScan(masks *teddyMasks, s string, from int) (at, newlines int, found bool)
TEXT ·teddyScan(SB), NOSPLIT, $0-49
	MOVQ    masks+0(FP), AX
	MOVQ    s_base+8(FP), SI
	MOVQ    s_len+16(FP), DX
	MOVQ    from+24(FP), BX
	VMOVDQU (AX), Y0
	VMOVDQU 32(AX), Y1
	VMOVDQU 64(AX), Y2
	VMOVDQU 96(AX), Y3
	VMOVDQU 128(AX), Y4
	VMOVDQU 160(AX), Y5
	VMOVDQU 192(AX), Y6
	VMOVDQU 224(AX), Y7
	VMOVDQU 256(AX), Y15
	VPXOR   Y12, Y12, Y12 // newlines, by place
	MOVL    $-1, R8       // which of a step's 32 places count
	XORQ    R12, R12      // found
	XORQ    R13, R13      // newlines of a step that counts in part
	SUBQ    $35, DX       // teddyMin: the last place where a step can begin
	LEAQ    3072(BX), R10 // teddyReach
	CMPQ    R10, DX
	JLE     loop
	LEAQ    1(DX), R10
loop:
	CMPQ BX, R10
	JGE  ended
	LOOKUP(0, Y0, Y1, Y2, Y3, Y14)
	LOOKUP(2, Y4, Y5, Y6, Y7, Y13)
	VPTEST Y13, Y14
	JNZ    part
	VMOVDQU  (SI)(BX*1), Y8
	VPCMPEQB 288(AX), Y8, Y8
	VPSUBB   Y8, Y12, Y12
	ADDQ     $32, BX
	JMP      loop
ended:
	CMPQ BX, DX
	JLE  done
	// What is left is less than a step: one more from where the last possible
	// step begins, in which the places before BX do not count.
	LEAQ 32(DX), R10
	CMPQ BX, R10
	JGE  done
	MOVQ BX, CX
	SUBQ DX, CX
	SHLL CX, R8
	MOVQ DX, BX
	LOOKUP(0, Y0, Y1, Y2, Y3, Y14)
	LOOKUP(2, Y4, Y5, Y6, Y7, Y13)
part:
	VMOVDQU   (SI)(BX*1), Y8
	VPCMPEQB  288(AX), Y8, Y8
	VPMOVMSKB Y8, R13
	ANDL      R8, R13
	VPAND     Y13, Y14, Y14
	VPXOR     Y8, Y8, Y8
	VPCMPEQB  Y8, Y14, Y8
	VPMOVMSKB Y8, R9
	NOTL      R9
	ANDL      R8, R9
	JZ        whole
	MOVL      $1, R12
	LEAL      -1(R9), R11
	XORL      R9, R11
	SHRL      $1, R11 // the places before the first
	ANDL      R11, R13
	BSFL      R9, R9
	ADDQ      R9, BX
	JMP       done
whole:
	ADDQ $32, BX
done:
	POPCNTL      R13, R13
	VPXOR        Y8, Y8, Y8
	VPSADBW      Y8, Y12, Y12
	VEXTRACTI128 $1, Y12, X8
	VPADDQ       X8, X12, X12
	VPSRLDQ      $8, X12, X8
	VPADDQ       X8, X12, X12
	VMOVQ        X12, R9
	ADDQ         R9, R13
	MOVQ         BX, at+32(FP)
	MOVQ         R13, newlines+40(FP)
	MOVB         R12, found+48(FP)
	VZEROUPPER
	RET
