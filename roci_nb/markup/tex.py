r"""A model's formulas, handed to the front end's typesetter: only what draws, never what acts.

TeX in a page is a small language: MathJax and KaTeX know commands that make links (``\href``), styles that fetch
pictures (``\style``, ``\bbox``), classes, ids, code to load (``\require``), and definitions that change every later
formula on the page (``\def``). Typesetters differ in what they forbid, so the commands that pass are listed here; a
formula with any other is shown as its source.
"""

from __future__ import annotations

import re

from roci_nb.markup.html import Html, quote
from roci_nb.markup.styles import BARE_CODE, CODE, WIDE

CLOSING = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]", "": ""}
r"""Opening delimiters and what closes them; the empty one stands for a bare ``\begin{…}…\end{…}``."""

INLINE = ("$", r"\(")

_DEEPEST = 60
"""Braces within braces; beyond this a typesetter's recursion may fail, and no formula for people goes there."""

_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_PERCENT = re.compile(r"(\\.)|%", re.DOTALL)
_MARK = re.compile(r"\\([A-Za-z]+|.|\Z)|[{}]", re.DOTALL)
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+)\*?\}")
_COLOUR = re.compile(r"\s*\{#?[A-Za-z0-9]{1,20}\}")


def formula(tex: str, opening: str, *, block: bool) -> Html:
    r"""Write a formula for the typesetter, as ``\(…\)`` or ``\[…\]`` in an element of its own.

    ``opening`` is the delimiter it was written with, ``block`` whether it stands by itself between paragraphs.
    What the typesetter may not see comes as code, in the delimiters it had.
    """
    # A label is not seen, and twice the same on one page is an error; a bare % would hide the rest of its line.
    drawn = _PERCENT.sub(lambda found: found[1] or r"\%", _LABEL.sub("", tex)).strip()
    if not _only_draws(drawn):
        source = quote(opening + tex + CLOSING[opening])
        if block:
            return Html(f'<pre style="{CODE}"><code style="{BARE_CODE}">{source}</code></pre>\n')
        return Html(f"<code>{source}</code>")
    left, right = (r"\(", r"\)") if opening in INLINE else (r"\[", r"\]")
    if block:
        return Html(f'<div style="{WIDE}">{left}{quote(drawn)}{right}</div>\n')
    return Html(f"<span>{left}{quote(drawn)}{right}</span>")


def _only_draws(tex: str) -> bool:
    """Whether every command is listed and the braces pair: the typesetter finds no end where they don't."""
    depth = 0
    for mark in _MARK.finditer(tex):
        name = mark[1]
        if name is None:
            depth += 1 if mark[0] == "{" else -1
            if not 0 <= depth <= _DEEPEST:
                return False
        elif name in ("begin", "end"):
            environment = _ENVIRONMENT.match(tex, mark.end())
            if environment is None or environment[1] not in _ENVIRONMENTS:
                return False
        elif name in _COLOURS:
            if not _COLOUR.match(tex, mark.end()):
                return False
        elif name not in _COMMANDS and name not in _SYMBOLS:
            return False
    return depth == 0


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYMBOLS = frozenset(" \n\t,:;!>|{}%$#&_\\'\"^~=.`/-")
"""What may follow a backslash besides a word. Not ``( ) [ ]``: they end a formula, or begin another."""

_COLOURS = frozenset({"color", "textcolor", "colorbox"})
"""Their argument becomes a style; it must be a name or a number."""

_ENVIRONMENTS = _names(
    """
    align alignat aligned alignedat array bmatrix Bmatrix bsmallmatrix Bsmallmatrix cases dcases drcases eqnarray
    equation flalign gather gathered lgathered matrix multline multlined numcases pmatrix psmallmatrix rcases rgathered
    smallmatrix split subarray vmatrix Vmatrix vsmallmatrix Vsmallmatrix
    """
)

# Letters and marks; operators, relations and arrows; delimiters; functions, structure, fonts and spaces: the names that
# MathJax 3 knows with JupyterLab's packages, less those that act, define, refer, or take sizes for the page.
_COMMANDS = _names(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi
    chi psi omega varepsilon vartheta varpi varrho varsigma varphi S aleph hbar imath jmath ell wp Re Im partial
    infty prime emptyset nabla top bot angle triangle backslash forall exists neg lnot flat natural sharp clubsuit
    diamondsuit heartsuit spadesuit Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega digamma varkappa
    varGamma varDelta varTheta varLambda varXi varPi varSigma varUpsilon varPhi varPsi varOmega beth gimel daleth
    backprime hslash varnothing blacktriangle triangledown blacktriangledown square Box blacksquare lozenge Diamond
    blacklozenge circledS bigstar sphericalangle measuredangle nexists complement mho eth Finv diagup Game diagdown
    Bbbk yen circledR checkmark maltese degree celsius perthousand ohm micro upalpha
    upbeta upmu uppi textdegree texteuro textmu textohm

    surd coprod bigvee bigwedge biguplus bigcap bigcup int intop iint iiint prod sum bigotimes bigoplus bigodot oint
    bigsqcup smallint triangleleft triangleright bigtriangleup bigtriangledown wedge land vee lor cap cup ddagger
    dagger sqcap sqcup uplus amalg diamond bullet wr div divsymbol odot oslash otimes ominus oplus mp pm circ
    bigcirc setminus cdot ast times star propto sqsubseteq sqsupseteq parallel mid dashv vdash leq le geq ge lt gt
    succ prec approx succeq preceq supset subset supseteq subseteq in ni notin owns gg ll sim simeq perp equiv asymp
    smile frown ne neq cong doteq bowtie models Leftrightarrow Leftarrow Rightarrow leftrightarrow leftarrow gets
    rightarrow to mapsto leftharpoonup leftharpoondown rightharpoonup rightharpoondown nearrow searrow nwarrow
    swarrow rightleftharpoons hookrightarrow hookleftarrow longleftarrow Longleftarrow longrightarrow Longrightarrow
    Longleftrightarrow longleftrightarrow longmapsto ldots cdots vdots ddots dotsc dotsb dotsm dotsi dotso ldotp
    cdotp colon iiiint dotplus ltimes smallsetminus rtimes Cap doublecap leftthreetimes Cup doublecup
    rightthreetimes barwedge curlywedge veebar curlyvee doublebarwedge boxminus circleddash boxtimes circledast
    boxdot circledcirc boxplus centerdot divideontimes intercal leqq geqq leqslant geqslant eqslantless eqslantgtr
    lesssim gtrsim lessapprox gtrapprox approxeq lessdot gtrdot lll llless ggg gggtr lessgtr gtrless lesseqgtr
    gtreqless lesseqqgtr gtreqqless doteqdot Doteq eqcirc risingdotseq circeq fallingdotseq triangleq backsim
    thicksim backsimeq thickapprox subseteqq supseteqq Subset Supset sqsubset sqsupset preccurlyeq succcurlyeq
    curlyeqprec curlyeqsucc precsim succsim precapprox succapprox vartriangleleft lhd vartriangleright rhd
    trianglelefteq unlhd trianglerighteq unrhd vDash Vdash Vvdash smallsmile shortmid smallfrown shortparallel
    bumpeq between Bumpeq pitchfork varpropto backepsilon blacktriangleleft blacktriangleright therefore because
    eqsim vartriangle Join nless ngtr nleq ngeq nleqslant ngeqslant nleqq ngeqq lneq gneq lneqq gneqq lvertneqq
    gvertneqq lnsim gnsim lnapprox gnapprox nprec nsucc npreceq nsucceq precneqq succneqq precnsim succnsim
    precnapprox succnapprox nsim ncong nshortmid nshortparallel nmid nparallel nvdash nvDash nVdash nVDash
    ntriangleleft ntriangleright ntrianglelefteq ntrianglerighteq nsubseteq nsupseteq nsubseteqq nsupseteqq
    subsetneq supsetneq varsubsetneq varsupsetneq subsetneqq supsetneqq varsubsetneqq varsupsetneqq leftleftarrows
    rightrightarrows leftrightarrows rightleftarrows Lleftarrow Rrightarrow twoheadleftarrow twoheadrightarrow
    leftarrowtail rightarrowtail looparrowleft looparrowright leftrightharpoons curvearrowleft curvearrowright
    circlearrowleft circlearrowright Lsh Rsh upuparrows downdownarrows upharpoonleft upharpoonright downharpoonleft
    restriction multimap downharpoonright leftrightsquigarrow rightsquigarrow leadsto dashrightarrow dashleftarrow
    nleftarrow nrightarrow nLeftarrow nRightarrow nleftrightarrow nLeftrightarrow implies impliedby xleftrightarrow
    xLeftarrow xRightarrow xLeftrightarrow xhookleftarrow xhookrightarrow xmapsto xrightharpoondown xleftharpoondown
    xrightleftharpoons xrightharpoonup xleftharpoonup xleftrightharpoons mathllap mathrlap mathclap textllap
    textrlap textclap cramped crampedllap crampedrlap crampedclap overbracket underbracket Aboxed centercolon
    ordinarycolon coloneqq Coloneqq coloneq Coloneq eqqcolon Eqqcolon eqcolon Eqcolon colonapprox Colonapprox
    colonsim Colonsim dblcolon nuparrow ndownarrow bigtimes splitfrac splitdfrac prescript

    lmoustache rmoustache lgroup rgroup arrowvert Arrowvert bracevert Vert vert uparrow downarrow updownarrow
    Uparrow Downarrow Updownarrow rangle langle rbrace lbrace rceil lceil rfloor lfloor lbrack rbrack lvert rvert
    lVert rVert ulcorner urcorner llcorner lrcorner lparen rparen

    displaystyle textstyle scriptstyle scriptscriptstyle rm mit oldstyle cal it bf scr frak sf tt mathrm mathup
    mathnormal mathbf mathbfup mathit mathbfit mathbb Bbb mathfrak mathbffrak mathscr mathbfscr mathsf mathsfup
    mathbfsf mathbfsfup mathsfit mathbfsfit mathtt mathcal mathbfcal symrm symup symnormal symbf symbfup symit
    symbfit symbb symfrak symbffrak symscr symbfscr symsf symsfup symbfsf symbfsfup symsfit symbfsfit symtt symcal
    symbfcal textrm textup textnormal textit textbf textsf texttt tiny scriptsize small normalsize large Large LARGE
    huge Huge arcsin arccos arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln
    log max min Pr sec sin sinh sup tan tanh limits nolimits overline underline overbrace underbrace overparen
    underparen overrightarrow underrightarrow overleftarrow underleftarrow overleftrightarrow underleftrightarrow
    overset underset overunderset stackrel stackbin over atop brace brack choose frac sqrt root left right middle
    llap rlap enspace quad qquad thinspace negthinspace hskip hspace kern mskip mspace mkern big Big bigg Bigg bigl
    Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm Biggm mathord mathop mathopen mathclose mathbin mathrel
    mathpunct mathinner vcenter buildrel text mbox boxed strut mathstrut phantom vphantom hphantom smash acute grave
    ddot tilde bar breve check hat vec dot widetilde widehat hline hdashline bmod pmod mod pod iff skew pmb not dots
    space nonumber mathring nobreakspace negmedspace negthickspace idotsint dddot ddddot sideset tag notag substack
    injlim projlim varliminf varlimsup varinjlim varprojlim operatorname genfrac tfrac dfrac binom tbinom dbinom
    cfrac xrightarrow xleftarrow boldsymbol bra ket braket set Bra Ket Braket Set ketbra Ketbra cancel bcancel
    xcancel cancelto centerOver centernot ce pu longrightleftharpoons longRightleftharpoons longLeftrightharpoons
    longleftrightarrows tripledash xRightleftharpoons xLeftrightharpoons xtwoheadrightarrow xtwoheadleftarrow
    xlongequal textbackslash textasciitilde textasciicircum textless textgreater textbar textbullet textendash
    textemdash
    """
)
